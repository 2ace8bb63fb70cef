"""A table of last values: effective rank (Table 7), final returns (Table 6), of each game and over all."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import polars as pl
from matplotlib.transforms import Bbox

from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas, game_title
from redo_lab.analysis.figures.cells import heads, last_values, rule, the_metric
from redo_lab.analysis.looks import STYLE
from redo_lab.analysis.summary import cell_text

MOST_IN_A_COLUMN = 3


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
            last_values(metric, source, self.config.last_share)
            .group_by("game", "method")
            .agg(
                pl.col("value").mean().alias("mean"),
                (pl.col("value").std() / pl.len().sqrt()).alias("standard_error"),
                pl.len().alias("seeds"),
            )
        )
        by_cell = {(game, method): (mean, error) for game, method, mean, error, _ in summary.iter_rows()}
        cells = [[_cell(by_cell.get((game, method))) for method in score_table.methods] for game in score_table.games]
        width = self.config.width if len(score_table.methods) <= MOST_IN_A_COLUMN else Width.page
        with mpl.rc_context(STYLE):
            columns = heads(score_table.methods)
            lines = max(name.count("\n") for name in columns)
            figure, ((axes,),) = canvas(width, 0.45 + 0.17 * (len(score_table.games) + lines))
            axes.set_axis_off()
            titles = [game_title(game) for game in score_table.games]
            table = axes.table(
                cells,
                rowLabels=titles,
                colLabels=columns,
                colLoc="right",
                cellLoc="right",
                bbox=Bbox.from_bounds(0.12, 0, 0.88, 1),
            )
            rule(table, 6)
            axes.set_title(self.config.label.format(score=score_table.score.word))
        order = (
            pl.DataFrame({"game": list(score_table.games)}).join(summary, on="game", how="left").sort("game", "method")
        )
        return Drawing(figure, order.with_columns(pl.lit(metric).alias("metric")), ["mean ± standard error over seeds"])


def _cell(statistics: tuple[float, float | None] | None) -> str:
    return "–" if statistics is None else cell_text(*statistics)
