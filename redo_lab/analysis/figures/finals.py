"""A table of last values: effective rank (Table 7), final returns (Table 6), of each game and over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure
from matplotlib.table import Table
from matplotlib.transforms import Bbox

from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas, game_title, shortened
from redo_lab.analysis.figures.cells import heads, rule, the_metric
from redo_lab.analysis.lines import last_values
from redo_lab.analysis.looks import SMALL_POINTS, STYLE
from redo_lab.analysis.summary import cell_text

MOST_IN_A_COLUMN = 3
MOST_LINES = 80
"""Of the form for a narrow page; a longer one would be no picture."""
Cells = Mapping[tuple[str, str], str]
"""By game and method."""


class Finals:
    """mean ± standard error over seeds of a metric's last value (or last share of its values)."""

    @dataclass
    class Config:
        """metric: a name, a pattern that one metric matches, or `score` for what the runs are scored by.

        label: what the table says it is; {score} in it is the word for a score."""

        width: Width
        metric: str
        label: str
        last_share: float

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """ValueError if several metrics match."""
        score_table = source.score_table
        metric = the_metric(self.config.metric, source)
        summary = (
            last_values(source.score_table, source.table, metric, self.config.last_share)
            .group_by("game", "method")
            .agg(
                pl.col("value").mean().alias("mean"),
                (pl.col("value").std() / pl.len().sqrt()).alias("standard_error"),
                pl.len().alias("seeds"),
            )
        )
        by_cell = {(game, method): _cell((mean, error)) for game, method, mean, error, _ in summary.iter_rows()}
        label = self.config.label.format(score=score_table.score.word)
        width = self.config.width if len(score_table.methods) <= MOST_IN_A_COLUMN else Width.page
        shown = partial(_picture, score_table.games, score_table.methods, by_cell, label)
        lines = len(score_table.games) * (len(score_table.methods) + 1)
        narrow = partial(_long, *shown.args) if width is Width.page and lines <= MOST_LINES else None
        order = (
            pl.DataFrame({"game": list(score_table.games)}).join(summary, on="game", how="left").sort("game", "method")
        )
        rows = order.with_columns(pl.lit(metric).alias("metric"))
        return Drawing(shown(width), rows, ["mean ± standard error over seeds"], narrow=narrow, pooled=False)


def _picture(games: Sequence[str], methods: Sequence[str], cells: Cells, label: str, width: Width) -> Figure:
    """A row for each game, a column for each method."""
    columns, titles = heads(methods), [game_title(game) for game in games]
    texts = [[cells.get((game, method), "–") for method in methods] for game in games]
    inside = Bbox.from_bounds(0.12, 0, 0.88, 1)
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = canvas(width, 0.45 + 0.17 * (len(games) + max(name.count("\n") for name in columns)))
        axes.set_axis_off()
        rule(axes.table(texts, rowLabels=titles, colLabels=columns, colLoc="right", cellLoc="right", bbox=inside), 6)
        axes.set_title(label)
    return figure


def _long(games: Sequence[str], methods: Sequence[str], cells: Cells, label: str) -> Figure:
    """A line for each game, and for each method below it."""
    lines = [("game and method", label)]
    for game in games:
        lines += [(game_title(game), ""), *((f"  {shortened(name)}", cells.get((game, name), "–")) for name in methods)]
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = canvas(Width.column, 0.25 + 0.17 * len(lines))
        axes.set_axis_off()
        table = axes.add_table(Table(axes, bbox=Bbox.from_bounds(0, 0, 1, 1)))
        for row, (name, text) in enumerate(lines):
            table.add_cell(row, 0, 0.6, 1, text=name, loc="left")
            table.add_cell(row, 1, 0.4, 1, text=text, loc="right")
            if not text:
                table[row, 0].get_text().set_fontweight("bold")
        rule(table, SMALL_POINTS)
    return figure


def _cell(statistics: tuple[float, float | None]) -> str:
    return cell_text(*statistics)
