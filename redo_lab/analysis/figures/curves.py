"""Metrics over a run: sample efficiency, learning curves, grids of games, dormant %, overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redo_lab.analysis.figures.base import (
    Drawing,
    Pane,
    Panes,
    Source,
    Width,
    canvas,
    game_title,
    legend,
    plain_axes,
    shortened,
)
from redo_lab.analysis.lines import Curve, CurveSpec, curves, expanded, rows_one_by_one
from redo_lab.analysis.looks import FONT_POINTS, STYLE, Look, looks
from redo_lab.analysis.methods import ONE_TASK
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.config import require
from redo_lab.runs.names import tau_value

CLOCKS = {"env_steps": "agent steps", "updates": "gradient steps"}


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
        score_table, config = source.score_table, self.config
        names, by_panel = self._content(source)
        panels, look = list(by_panel), looks(score_table.methods)
        one_row = len(names) == 1 or len(panels) == len(names)
        across = min(config.columns, len(panels)) if one_row else len(panels) // len(names)
        down = math.ceil(len(panels) / across)
        with mpl.rc_context(STYLE):
            figure, grid = canvas(config.width, _height(config.width, across) * down, down, across)
            places = [axes for row in grid for axes in row]
            for at, (axes, panel) in enumerate(zip(places, panels, strict=False)):
                self._paint(axes, panel, by_panel[panel], look)
                # Rows of different metrics show the same games below one another.
                axes.set_title(panel.title if len(names) == 1 or at < across else "")
            _labels(figure, grid, panels, _clock_name(score_table, config.clock))
            legend(figure, look)
        return Drawing(figure, _data(by_panel, config.clock), self._notes(source, by_panel))

    def panes(self, source: Source) -> Panes:
        """The same panels, each with a title and labels of its own."""
        _, by_panel = self._content(source)
        clock = _clock_name(source.score_table, self.config.clock)

        def painter(panel: Panel) -> Callable[[Axes, Mapping[str, Look]], None]:
            return lambda axes, look: self._paint(axes, panel, by_panel[panel], look)

        panes = [Pane(panel.title, clock, panel.y_label, painter(panel)) for panel in by_panel]
        notes = self._notes(source, by_panel)
        return Panes(panes, list(source.score_table.methods), _data(by_panel, self.config.clock), notes)

    def _paint(self, axes: Axes, panel: Panel, by_method: Mapping[str, Curve], look: Mapping[str, Look]) -> None:
        paint_curves(axes, by_method, look)
        if panel.metric in (self.config.logarithmic or ()):
            plain_axes(axes, logarithmic=True)
        elif self.config.percent:
            axes.set_ylim(bottom=0, top=min(100.0, axes.get_ylim()[1]))

    def _content(self, source: Source) -> tuple[list[str], dict[Panel, dict[str, Curve]]]:
        names = expanded(self.config.metrics, source.score_table, source.table)
        panels = self._panels(source.score_table, names)
        return names, {
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
        pooled = "all games" if len(names) > 1 or self.config.per_game else ""
        return [
            Panel(title_of(games[0]) if len(games) == 1 else pooled, self._label(score_table, name), name, games)
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
        notes = []
        if any(curve.band for curve in everything):
            notes.append(f"bands: {source.resampling.described}")
        if any(curve.seeds is not None and len(curve.seeds) > 1 for curve in everything):
            notes.append("thin lines: single seeds, thick: over seeds")
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


def title_of(game: str) -> str:
    """Empty where the runs have no game."""
    return "" if game == ONE_TASK else game_title(game)


def _clock_name(score_table: ScoreTable, clock: str) -> str:
    """What `clock` counts in these runs: the unit of their length if that is on this clock."""
    runs = score_table.runs
    return str(runs["unit"][0]) if (runs["clock"] == clock).all() else CLOCKS[clock]


def _height(width: Width, across: int) -> float:
    """A panel is about three quarters as high as wide, and never flat."""
    return max(1.15, min(2.0, 0.72 * width.inches / across))


def paint_curves(axes: Axes, by_method: Mapping[str, Curve], look: Mapping[str, Look]) -> None:
    """A line for each, with its band or with thin lines for single seeds."""
    for method, curve in by_method.items():
        each = look[method]
        if curve.band is not None:
            axes.fill_between(curve.x, *curve.band, color=each.colour, alpha=0.18, linewidth=0)
        if curve.seeds is not None and len(curve.seeds) > 1:
            axes.plot(curve.x, curve.seeds.T, color=each.colour, linestyle=each.line, linewidth=0.6, alpha=0.45)
        every = max(1, len(curve.x) // 6)
        axes.plot(curve.x, curve.centre, color=each.colour, linestyle=each.line, marker=each.marker, markevery=every,
                  mec="white", mew=0.5)  # fmt: skip
    plain_axes(axes)


def _labels(figure: Figure, grid: Sequence[Sequence[Axes]], panels: Sequence[Panel], clock: str) -> None:
    """What is measured left of each row, the clock below the lowest panel of each column."""
    across = len(grid[0])
    one_label = len(grid) > 1 and len({panel.y_label for panel in panels}) == 1
    if one_label:
        figure.supylabel(panels[0].y_label, fontsize=FONT_POINTS)
    for at, axes in enumerate(axes for row in grid for axes in row):
        if at >= len(panels):
            axes.set_visible(False)
            continue
        if (at % across == 0 or panels[at].y_label != panels[at - 1].y_label) and not one_label:
            axes.set_ylabel(panels[at].y_label)
        if at + across >= len(panels):
            axes.set_xlabel(clock)


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
