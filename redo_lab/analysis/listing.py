"""What `redo-lab runs` lists: a row per run, or one per value of some metrics; and how tables leave as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from redo_lab.analysis.output import whole_file, without_formulas
from redo_lab.config import nearest
from redo_lab.runs.status import count_text
from redo_lab.runs.table import Table

ENDINGS = (".csv", ".parquet")
ALL = "all"
EXPERIMENT = ("experiment",)


def values(table: Table, names: Sequence[str]) -> pl.DataFrame:
    """A row per value of the metrics `names`, or of all; ValueError for a name that no run has."""
    rows = table.metrics([] if ALL in names else names)
    if ALL not in names:
        present = set(rows["name"].unique())
        options = sorted(table.values()["name"].unique()) if not present.issuperset(names) else []
        for name in names:
            if name not in present:
                _require(name, options, "metric")
    return rows


def runs(table: Table) -> pl.DataFrame:
    """A row per run, with its progress in percent and the last value that it is scored by."""
    last = (
        table.evaluations()
        .sort("env_steps", maintain_order=True)
        .group_by("directory")
        .agg(pl.col("value").last().alias(score_column(table)))
    )
    percent = (100 * pl.col("done") / pl.col("planned")).round(1).alias("percent")
    return table.runs.with_columns(percent).join(last, on="directory", how="left", maintain_order="left")


def score_column(table: Table) -> str:
    """The column of what runs are scored by: the one word that all of them have for it, else `score`."""
    words = table.runs["score_word"].unique().to_list()
    return words[0] if len(words) == 1 and words[0] not in table.runs.columns else "score"


def shown_columns(table: Table, rows: pl.DataFrame) -> list[str]:
    """The columns worth a terminal: of runs which, how they stand, their axes and then settings that differ.

    A setting of a part that only some runs have (`recyclers.redo.threshold`) counts where those runs differ in it.
    """
    if "value" in rows.columns:
        return ["run_id", "env_steps", "updates", "name", "value"]
    axes = [name for name in (*EXPERIMENT, *table.axes) if rows[name].n_unique() > 1]
    settings = [name for name in table.settings if rows[name].drop_nulls().n_unique() > 1]
    return ["run_id", "state", length_column(table), score_column(table), *axes, *settings]


def with_length(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of runs with a column for people of how far each is: `450k/500k`."""
    pairs = rows.select("done", "planned", "unit").iter_rows()
    several = rows["unit"].n_unique() > 1
    texts = [f"{count_text(done)}/{count_text(planned)}{f' {unit}' * several}" for done, planned, unit in pairs]
    return rows.with_columns(pl.Series(length_column(table), texts))


def length_column(table: Table) -> str:
    """`steps` of runs that all count in agent steps; `progress` of runs that count in different things."""
    units = table.runs["unit"].unique().to_list()
    name = units[0].rpartition(" ")[2] if len(units) == 1 else ""
    return "progress" if name in ("", *table.runs.columns) else name


def chosen(table: Table, rows: pl.DataFrame, columns: Sequence[str], sort: str | None) -> pl.DataFrame:
    """These columns, in the order of the column `sort`; ValueError for one that isn't there.

    The length of runs, a text for people, is sorted by its number.
    """
    for name in (*columns, *([sort] if sort else [])):
        _require(name, rows.columns, "column")
    order = ["done", "planned"] if sort == length_column(table) else [sort]
    return (rows.sort(order, nulls_last=True, maintain_order=True) if sort else rows).select(columns)


def write(rows: pl.DataFrame, path: Path) -> None:
    """`path`, .csv or .parquet, holds `rows`."""
    with whole_file(path) as temporary:
        if path.suffix == ".csv":
            without_formulas(rows).write_csv(temporary)
        else:
            rows.write_parquet(temporary)


def _require(name: str, options: Sequence[str], kind: str) -> None:
    if name not in options:
        raise ValueError(f"no {kind} '{name}', {nearest(name, options)}")
