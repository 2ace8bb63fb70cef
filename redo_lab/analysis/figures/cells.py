"""What figures that are tables share: the last values of runs, and lines below rows."""

from __future__ import annotations

import polars as pl
from matplotlib.table import Table

from redo_lab.analysis.figures.base import Source
from redo_lab.analysis.lines import expanded, rows_of


def the_metric(pattern: str, source: Source) -> str:
    """The only metric that `pattern` matches; ValueError for several or none."""
    names = expanded([pattern], source.score_table, source.table)
    if len(names) > 1:
        raise ValueError(f"{pattern} matches {', '.join(names)}: choose one")
    return names[0]


def last_values(metric: str, source: Source, last_share: float) -> pl.DataFrame:
    """method, game, seed, value: of each run the mean of the last share of its values, at least of the last one."""
    rows = rows_of(source.score_table, source.table, [metric]).sort("directory", "updates", maintain_order=True)
    count = pl.max_horizontal((pl.len() * last_share).floor().cast(pl.Int64), 1)
    return rows.group_by("method", "game", "seed", maintain_order=True).agg(pl.col("value").tail(count).mean())


def rule(table: Table, font_points: float) -> None:
    """A line below each row, a dark one below the header."""
    table.auto_set_font_size(False)
    table.set_fontsize(font_points)
    for (row, _), cell in table.get_celld().items():
        cell.visible_edges = "B"
        cell.set(linewidth=0.8 if row == 0 else 0.3, edgecolor="#444444" if row == 0 else "#CCCCCC")
