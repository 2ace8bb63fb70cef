"""Several metrics of the same runs as lines of one panel, a panel for each game (Figure 24)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes

from redo_lab.analysis.figures.base import Drawing, Pane, Panes, Source, Width
from redo_lab.analysis.figures.beside import Layout
from redo_lab.analysis.figures.painting import CLOCKS, lines_notes, paint_curves, title_of
from redo_lab.analysis.lines import Curve, CurveSpec, curves, expanded, rows_of
from redo_lab.analysis.looks import Look
from redo_lab.config import require


class Measures:
    """A line for each metric, over the seeds of one method."""

    @dataclass
    class Config:
        """metrics: names or patterns; name: what a line is called, {metric} the metric's last word."""

        width: Width
        columns: int
        metrics: list[str]
        clock: str
        name: str
        y_label: str

        def __post_init__(self) -> None:
            require(self.clock in CLOCKS, f"clock must be one of {', '.join(CLOCKS)}, got {self.clock}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def panes(self, source: Source) -> Panes:
        """ValueError unless the runs are of one method."""
        score_table, config = source.score_table, self.config
        if len(score_table.methods) > 1:
            raise ValueError(f"lines are metrics here, so runs of one method, not of {', '.join(score_table.methods)}")
        (method,) = score_table.methods
        metrics = {self._name(metric): metric for metric in expanded(config.metrics, score_table, source.table)}
        rows = rows_of(score_table, source.table, list(metrics.values()))
        by_game: dict[str, dict[str, Curve]] = {}
        for game in score_table.games:
            specs = {n: CurveSpec(m, config.clock, "mean", False, source.smooth) for n, m in metrics.items()}
            each = {n: curves(score_table, rows, spec, [game], source.resampling) for n, spec in specs.items()}
            by_game[game] = {name: of_method[method] for name, of_method in each.items() if method in of_method}
        panes = [
            Pane(title_of(game), CLOCKS[config.clock], config.y_label, _painter(lines))
            for game, lines in by_game.items()
        ]
        every = [curve for lines in by_game.values() for curve in lines.values()]
        notes = lines_notes(every, source, "mean", pooled=False)
        return Panes(panes, list(metrics), self._data(by_game), notes, pooled=False)

    def draw(self, source: Source) -> Drawing:
        """The panels alone."""
        return Layout(Layout.Config(self.config.width, self.config.columns)).draw([self.panes(source)])

    def _name(self, metric: str) -> str:
        return self.config.name.format(metric=metric.rpartition("_")[2])

    def _data(self, by_game: Mapping[str, Mapping[str, Curve]]) -> pl.DataFrame:
        frames = [
            pl.DataFrame(
                {"game": game, "line": name, self.config.clock: curve.x, "value": curve.centre,
                 "low": None if curve.band is None else curve.band[0],
                 "high": None if curve.band is None else curve.band[1]},
                schema_overrides={"low": pl.Float64, "high": pl.Float64},
            )
            for game, lines in by_game.items() for name, curve in lines.items()
        ]  # fmt: skip
        return pl.concat(frames) if frames else pl.DataFrame()


def _painter(lines: Mapping[str, Curve]) -> Callable[[Axes, Mapping[str, Look]], None]:
    def paint(axes: Axes, look: Mapping[str, Look]) -> None:
        paint_curves(axes, lines, look)

    return paint
