"""`redo-lab runs`: the table of runs, chosen, shown, exported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis.selection import ROOT, guarded, table_of

if TYPE_CHECKING:
    import polars as pl

FILE_WIDTH = 160


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    command_line = argparse.ArgumentParser(
        "redo-lab runs", description="A row per run; with --metric one per run, step, metric."
    )
    command_line.add_argument(
        "runs", nargs="*", type=Path, metavar="RUNS", help="run, experiment or root (default: runs)"
    )
    command_line.add_argument(
        "--from", dest="source", metavar="wandb:ENTITY/PROJECT", help="runs from W&B, or wandb:FOLDER"
    )
    command_line.add_argument("--where", metavar="CONDITION", help="only these, e.g. 'recycler=redo & replay_ratio>=1'")
    command_line.add_argument(
        "--columns", nargs="+", metavar="NAME", help="default: the axes that vary, state, progress, score"
    )
    command_line.add_argument(
        "--metric", nargs="+", metavar="NAME", help="the values of these metrics; `all` for every one"
    )
    command_line.add_argument("--sort", metavar="NAME", help="by this column (default: by directory)")
    command_line.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="a .csv or .parquet in place of the terminal"
    )
    return guarded("runs", _runs, command_line.parse_args(argv))


def _runs(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis import listing

    output = arguments.output
    if output is not None and output.suffix not in listing.ENDINGS:
        raise ValueError(f"-o {output}: must end with {' or '.join(listing.ENDINGS)}")
    table = table_of(arguments, ROOT)
    rows = listing.values(table, arguments.metric) if arguments.metric else listing.runs(table)
    default = listing.shown_columns(table, rows) if output is None else rows.columns
    chosen = listing.chosen(rows, arguments.columns or default, arguments.sort)
    if output is None:
        _print(chosen, "value" if arguments.metric else "run")
        return
    listing.write(chosen, output)
    print(f"written: {output} ({chosen.height} rows, {chosen.width} columns)")


def _print(rows: pl.DataFrame, noun: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    width = console.width if console.is_terminal else FILE_WIDTH
    printed = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in rows.columns:
        printed.add_column(Text(name), no_wrap=True, justify="right" if rows[name].dtype.is_numeric() else "left")
    for row in rows.iter_rows():
        printed.add_row(*(Text(_shown(value)) for value in row))
    console = Console(highlight=False, width=width)
    console.print(f"{rows.height} {noun}{'' if rows.height == 1 else 's'}")
    console.print(printed)


def _shown(value: object) -> str:
    from redo_lab.runs.reading import printable

    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value)).partition("\n")[0]
