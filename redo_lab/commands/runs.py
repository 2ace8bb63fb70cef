"""`redo-lab runs`: the table of runs, chosen, shown, exported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis.selection import ROOT, guarded, table_of

if TYPE_CHECKING:
    import polars as pl

    from redo_lab.runs.table import Table

ENDINGS = (".csv", ".parquet")
FILE_WIDTH = 160
ALL = "all"


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    made = argparse.ArgumentParser(
        "redo-lab runs", description="A row per run; with --metric one per run, step, metric."
    )
    made.add_argument("runs", nargs="*", type=Path, metavar="RUNS", help="run, experiment or root (default: runs)")
    made.add_argument("--from", dest="source", metavar="wandb:ENTITY/PROJECT", help="runs from W&B, or wandb:FOLDER")
    made.add_argument("--where", metavar="CONDITION", help="only these, e.g. 'recycler=redo & replay_ratio>=1'")
    made.add_argument(
        "--columns", nargs="+", metavar="NAME", help="default: the axes that vary, state, progress, return"
    )
    made.add_argument("--metric", nargs="+", metavar="NAME", help=f"the values of these metrics; `{ALL}` for every one")
    made.add_argument("--sort", metavar="NAME", help="by this column (default: as found)")
    made.add_argument("-o", "--output", type=Path, metavar="FILE", help="a .csv or .parquet in place of the terminal")
    return guarded("runs", _runs, made.parse_args(argv))


def _runs(arguments: argparse.Namespace) -> None:
    if arguments.output is not None and arguments.output.suffix not in ENDINGS:
        raise ValueError(f"-o {arguments.output}: must end with {' or '.join(ENDINGS)}")
    table = table_of(arguments, ROOT)
    found = _metrics(table, arguments.metric) if arguments.metric else _with_return(table)
    columns = arguments.columns or _default_columns(table, found, to_file=arguments.output is not None)
    for name in (*columns, *([arguments.sort] if arguments.sort else [])):
        _require(name, found.columns, "column")
    chosen = (found.sort(arguments.sort, nulls_last=True) if arguments.sort else found).select(columns)
    if arguments.output is None:
        _print(chosen, "run" if not arguments.metric else "value")
        return
    _write(chosen, arguments.output)
    print(f"written: {arguments.output} ({chosen.height} rows, {chosen.width} columns)")


def _metrics(table: Table, names: Sequence[str]) -> pl.DataFrame:
    found = table.metrics([] if ALL in names else names)
    if ALL not in names:
        present = set(found["name"].unique())
        known = sorted(table.metrics()["name"].unique()) if not present.issuperset(names) else []
        for name in names:
            if name not in present:
                _require(name, known, "metric")
    return found


def _with_return(table: Table) -> pl.DataFrame:
    """A row per run, with its progress and the last return of its evaluations."""
    import polars as pl

    from redo_lab.runs.names import EVALUATION_RETURN

    last = (
        table.metrics([EVALUATION_RETURN])
        .sort("env_steps", maintain_order=True)
        .group_by("directory")
        .agg(pl.col("value").last().alias("return"))
    )
    done = (100 * pl.col("env_steps") / pl.col("planned_env_steps")).round(1).alias("percent")
    return table.runs.with_columns(done).join(last, on="directory", how="left", maintain_order="left")


def _default_columns(table: Table, found: pl.DataFrame, *, to_file: bool) -> list[str]:
    if to_file or "value" in found.columns:
        return found.columns if to_file else ["run_id", "env_steps", "updates", "name", "value"]
    varying = [name for name in (*table.axes, *table.settings) if found[name].n_unique() > 1]
    return [*(varying or ["run_id"]), "state", "percent", "return"]


def _require(name: str, known: Sequence[str], kind: str) -> None:
    from redo_lab.config import nearest

    if name not in known:
        raise ValueError(f"no {kind} '{name}', {nearest(name, known)}")


def _print(found: pl.DataFrame, noun: str) -> None:
    from rich.console import Console
    from rich.table import Table as Printed

    console = Console(highlight=False)
    width = console.width if console.is_terminal else FILE_WIDTH
    printed = Printed(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in found.columns:
        printed.add_column(name, no_wrap=True, justify="right" if found[name].dtype.is_numeric() else "left")
    for row in found.iter_rows():
        printed.add_row(*(_shown(value) for value in row))
    console = Console(highlight=False, width=width)
    console.print(f"{found.height} {noun}{'' if found.height == 1 else 's'}")
    console.print(printed)


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value).partition("\n")[0]


def _write(found: pl.DataFrame, path: Path) -> None:
    from redo_lab.analysis.output import whole_file

    with whole_file(path) as temporary:
        if path.suffix == ".csv":
            found.write_csv(temporary)
        else:
            found.write_parquet(temporary)
