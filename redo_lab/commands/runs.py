"""`redo-lab runs`: the table of runs, chosen, shown, exported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis.selection import ROOT, guarded, table_of

if TYPE_CHECKING:
    import polars as pl

    from redo_lab.runs.terminal import Column

FILE_WIDTH = 160
RUN_ID = "run_id"
LONG_IDS = (RUN_ID, "directory")
FIRST = 4
"""Which run, its state, how far it is and its score: these columns are always there."""
LEAST_WIDTH = 16
"""Of the id of a run: its end tells it from others, and other verbs take it."""


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
        "--columns", nargs="+", metavar="NAME", help="default: run, state, length, score, what varies"
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
    everything = rows.columns
    rows = rows if arguments.metric else listing.with_length(table, rows)
    default = listing.shown_columns(table, rows) if output is None else everything
    chosen = listing.chosen(table, rows, arguments.columns or default, arguments.sort)
    if output is None:
        columns = _columns(chosen, listing.length_column(table), all_there=bool(arguments.columns))
        _print(columns, chosen.height, "value" if arguments.metric else "run")
        return
    listing.write(chosen, output)
    print(f"written: {output} ({chosen.height} rows, {chosen.width} columns)")


def _columns(rows: pl.DataFrame, length: str, *, all_there: bool) -> list[Column]:
    """Numbers, and the `length` of a run, stand to the right; those that weren't asked for may be left out."""
    from redo_lab.runs.terminal import Column

    return [
        Column(
            values.name,
            [_shown(value) for value in values],
            left=not values.dtype.is_numeric() and values.name != length,
            rank=None if all_there or at < FIRST else at,
        )
        for at, values in enumerate(rows)
    ]


def _print(columns: Sequence[Column], rows: int, noun: str) -> None:
    """As many columns as the terminal has room for."""
    from rich.console import Console, Group

    from redo_lab.runs.terminal import fitted, left_out, lines, width_of

    width = width_of(Console(), FILE_WIDTH)
    words = [column for column in columns if column.left] or columns
    longest = max(words, key=lambda column: (column.heading == RUN_ID, column.width)).heading
    shown, hidden = fitted(columns, width, longest, LEAST_WIDTH, _end if longest in LONG_IDS else _beginning)
    console = Console(highlight=False, width=width)
    more = [left_out(hidden)] if hidden else []
    console.print(f"{rows} {noun}{'' if rows == 1 else 's'}", Group(*lines(shown, [""] * rows), *more), sep="\n")


def _end(text: str, longest: int) -> str:
    """What tells runs and directories apart stands last."""
    return text if len(text) <= longest else f"…{text[len(text) - longest + 1 :]}"


def _beginning(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _shown(value: object) -> str:
    from redo_lab.runs.reading import printable
    from redo_lab.runs.terminal import NOTHING

    if value is None:
        return NOTHING
    return f"{value:.5g}" if isinstance(value, float) else printable(str(value)).partition("\n")[0]
