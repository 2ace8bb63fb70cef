"""Metrics over a run: sample efficiency, learning curves, grids of games, dormant %, overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redo_lab.analysis.figures.base import Drawing, Pane, Panes, Source, Width, canvas, even, plain_axes, shortened
from redo_lab.analysis.figures.legends import legend
from redo_lab.analysis.figures.painting import (
    CLOCKS,
    clock_name,
    label,
    lines_notes,
    paint_curves,
    row_inches,
    title_of,
)
from redo_lab.analysis.lines import Curve, CurveSpec, curves, expanded, rows_one_by_one
from redo_lab.analysis.looks import STYLE, Look, looks
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.config import require
from redo_lab.runs.names import tau_value

NARROW_COLUMNS = 2
"""Panels side by side on a narrow page."""
LEAST_PERCENT = 1.0
"""Where an axis of percentages ends at least, so that one of zeros has ticks that can be read."""


@dataclass(frozen=True)
class Panel:
    """Some games' curves of one metric."""

    title: str
    y_label: str
    metric: str
    games: tuple[str, ...]


class Curves:
    """A panel for each metric and game, or for each metric with all games pooled."""

    @dataclass
    class Config:
        """metrics: names or patterns, `score` for what the runs are scored by.

        clock: env_steps or updates; columns: panels side by side.

        per_game: a panel for each game (if several metrics: only of up to `columns` games, else they are pooled).
        statistic: iqm or mean over runs; normalised: as scores, else raw; y_label: None is the metric's name, as it is
        where the label has {tau} and the metric none. unless_zero: moments at which this metric is 0 in some run are
        left out. percent: of all metrics but the `logarithmic` ones, whose axis is.
        """

        width: Width
        metrics: list[str]
        clock: str
        per_game: bool
        columns: int
        statistic: str
        normalised: bool
        y_label: str | None
        percent: bool
        unless_zero: str | None
        logarithmic: list[str] | None = None

        def __post_init__(self) -> None:
            require(self.clock in CLOCKS, f"clock must be one of {', '.join(CLOCKS)}, got {self.clock}")
            require(self.statistic in ("iqm", "mean"), f"statistic must be iqm or mean, got {self.statistic}")
            require(self.columns >= 1, f"columns must be ≥ 1, got {self.columns}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """Bands are intervals from five seeds on; with fewer there is a thin line for each."""
        config = self.config
        by_panel = self._content(source)
        # With a panel for each metric and game, rows of different metrics show the same games below one another.
        metrics = len({panel.metric for panel in by_panel})
        rows = metrics if 1 < metrics < len(by_panel) else None
        across = len(by_panel) // rows if rows else even(len(by_panel), config.columns)
        shown = partial(self._figure, source, by_panel)
        # One panel as wide as a page would be flat.
        width = config.width if len(by_panel) > 1 else Width.column
        narrow = None
        if width is Width.page:
            narrow = partial(shown, Width.column, min(NARROW_COLUMNS, across), titles=len(by_panel))
        figure = shown(width, across, titles=across if rows else len(by_panel))
        notes = self._notes(source, by_panel)
        return Drawing(figure, _data(by_panel, config.clock), notes, narrow=narrow, pooled=_pooled(source, by_panel))

    def _figure(
        self, source: Source, by_panel: Mapping[Panel, Mapping[str, Curve]], width: Width, across: int, *, titles: int
    ) -> Figure:
        """titles: only the first so many panels have one."""
        panels, look, down = list(by_panel), looks(source.score_table.methods), math.ceil(len(by_panel) / across)
        height = row_inches(width, across)
        with mpl.rc_context(STYLE):
            figure, grid = canvas(width, height * down, down, across)
            places = [axes for row in grid for axes in row]
            for at, (axes, panel) in enumerate(zip(places, panels, strict=False)):
                self._paint(axes, panel, by_panel[panel], look)
                axes.set_title(panel.title if at < titles else "")
            label(figure, grid, [panel.y_label for panel in panels], clock_name(source, self.config.clock))
            legend(figure, look, places[len(panels) :])
        return figure

    def panes(self, source: Source) -> Panes:
        """The same panels, each with a title and labels of its own."""
        by_panel = self._content(source)
        clock = clock_name(source, self.config.clock)

        def painter(panel: Panel) -> Callable[[Axes, Mapping[str, Look]], None]:
            return lambda axes, look: self._paint(axes, panel, by_panel[panel], look)

        panes = [Pane(panel.title, clock, panel.y_label, painter(panel)) for panel in by_panel]
        data, notes = _data(by_panel, self.config.clock), self._notes(source, by_panel)
        return Panes(panes, list(source.score_table.methods), data, notes, _pooled(source, by_panel))

    def _paint(self, axes: Axes, panel: Panel, by_method: Mapping[str, Curve], look: Mapping[str, Look]) -> None:
        paint_curves(axes, by_method, look)
        if panel.metric in (self.config.logarithmic or ()):
            plain_axes(axes, logarithmic=True)
        elif self.config.percent:
            axes.set_ylim(bottom=0, top=min(100.0, max(LEAST_PERCENT, axes.get_ylim()[1])))

    def _content(self, source: Source) -> dict[Panel, dict[str, Curve]]:
        names = expanded(self.config.metrics, source.score_table, source.table)
        panels = self._panels(source.score_table, names)
        return {
            panel: self._curves(source, rows, panel)
            for name, rows in self._rows(source, names)
            for panel in panels
            if panel.metric == name
        }

    def _panels(self, score_table: ScoreTable, names: Sequence[str]) -> list[Panel]:
        apart = self.config.per_game and (len(names) == 1 or len(score_table.games) <= self.config.columns)
        groups = (
            [(game,) for game in score_table.games] if apart or len(score_table.games) == 1 else [score_table.games]
        )
        return [
            Panel(title_of(games[0]) if len(games) == 1 else "", self._label(score_table, name), name, games)
            for name in names
            for games in groups
        ]

    def _label(self, score_table: ScoreTable, name: str) -> str:
        if self.config.normalised:
            return f"{'IQM' if self.config.statistic == 'iqm' else 'mean'} of\n{score_table.label}"
        stem, tau, value = name.rpartition("_tau")
        if self.config.y_label is None or ("{tau}" in self.config.y_label and not tau):
            return shortened(name.rpartition("/")[2].replace("_", " "))
        return self.config.y_label.format(
            group=stem.rpartition("/")[2].partition("_")[0],
            tau=f"{tau_value(value):g}" if tau else "",
            score=score_table.score.word,
        )

    def _rows(self, source: Source, names: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
        """Each metric with its rows, in turn: of many runs those of all layers take too much memory together."""
        each = rows_one_by_one(source.score_table, source.table, names)
        if self.config.unless_zero is None:
            return each
        (other,) = expanded([self.config.unless_zero], source.score_table, source.table)
        sizes = source.table.values([other]).filter(pl.col("value") > 0).select("directory", "updates")
        keys = ["directory", "updates"]
        return ((name, rows.join(sizes, on=keys, how="semi", maintain_order="left")) for name, rows in each)

    def _curves(self, source: Source, rows: pl.DataFrame, panel: Panel) -> dict[str, Curve]:
        config = self.config
        spec = CurveSpec(panel.metric, config.clock, config.statistic, config.normalised, source.smooth)
        return curves(source.score_table, rows, spec, panel.games, source.resampling)

    def _notes(self, source: Source, by_panel: Mapping[Panel, Mapping[str, Curve]]) -> list[str]:
        everything = [curve for by_method in by_panel.values() for curve in by_method.values()]
        notes = lines_notes(everything, source, self.config.statistic, pooled=any(len(p.games) > 1 for p in by_panel))
        if source.smooth > 1:
            notes.append(f"smoothed: each point is the mean of {source.smooth}")
        if self.config.unless_zero:
            notes.append("moments at which a run had an empty set are left out")
        absent = sorted(
            {
                f"{m} ({p.title or p.y_label})"
                for p, by in by_panel.items()
                for m in source.score_table.methods
                if m not in by
            }
        )
        return notes + [f"not drawn, as its runs share no point: {where}" for where in absent]


def _pooled(source: Source, panels: Iterable[Panel]) -> bool:
    """Some panel averages the scores of several games; shares of neurons have the same unit in every game."""
    scored_by = source.score_table.score.metric
    return any(panel.metric == scored_by and len(panel.games) > 1 for panel in panels)


def _data(by_panel: Mapping[Panel, Mapping[str, Curve]], clock: str) -> pl.DataFrame:
    frames = [
        pl.DataFrame({
            "metric": panel.metric, "games": " ".join(panel.games), "method": method, clock: curve.x,
            "value": curve.centre,
            "low": None if curve.band is None else curve.band[0], "high": None if curve.band is None else curve.band[1],
        }, schema_overrides={"low": pl.Float64, "high": pl.Float64})
        for panel, by_method in by_panel.items() for method, curve in by_method.items()
    ]  # fmt: skip
    return pl.concat(frames) if frames else pl.DataFrame()
