"""Aggregate scores of methods with their intervals, a panel for each aggregate (Figures 11, 13 and 26)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from redo_lab.analysis.aggregate import METRICS, Estimate, estimate
from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas, shortened
from redo_lab.analysis.figures.intervals import interval
from redo_lab.analysis.looks import STYLE, Look, looks
from redo_lab.analysis.normalise import Normalisation
from redo_lab.analysis.score_table import ENOUGH_SEEDS
from redo_lab.analysis.summary import TITLES, number
from redo_lab.config import ConfigError, nearest

MOST_DOTS = 20


class Bars:
    """A row for each method, a panel for each aggregate."""

    @dataclass
    class Config:
        """aggregates: iqm, median, mean, optimality_gap."""

        width: Width
        aggregates: list[str]

        def __post_init__(self) -> None:
            for name in self.aggregates:
                if name not in METRICS:
                    raise ConfigError(f"no aggregate '{name}': {nearest(name, METRICS)}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """The optimality gap is left out for raw returns, as it is measured to a score of 1."""
        score_table, width = source.score_table, self.config.width
        raw = score_table.normalisation is Normalisation.NONE
        names = [name for name in self.config.aggregates if not (raw and name == "optimality_gap")] or ["iqm"]
        estimates = {m: estimate(scores, names, source.resampling, m) for m, scores in score_table.scores.items()}
        few = min(len(seeds) for seeds in score_table.seeds.values()) < ENOUGH_SEEDS
        dots = few and len(names) == 1 and max(scores.size for scores in score_table.scores.values()) <= MOST_DOTS
        shown = partial(_figure, source, estimates, names, dots=dots)
        narrow = partial(shown, Width.column, 1) if width is Width.page and len(names) > 1 else None
        data = [
            {"method": method, "aggregate": name, "score": score_table.label,
             "value": each.value, "low": each.low, "high": each.high}
            for method, by_name in estimates.items() for name, each in by_name.items()
        ]  # fmt: skip
        notes = [f"bars: {source.resampling.described}"] if any(row["low"] is not None for row in data) else []
        notes += ["small dots: single runs"] * dots
        notes += ["no optimality gap, as raw scores have no optimum"] * (
            raw and "optimality_gap" in self.config.aggregates
        )
        rows = pl.DataFrame(data, infer_schema_length=None)
        return Drawing(shown(width, len(names)), rows, notes, narrow=narrow)


def _figure(
    source: Source,
    estimates: Mapping[str, Mapping[str, Estimate]],
    names: Sequence[str],
    width: Width,
    across: int,
    *,
    dots: bool,
) -> Figure:
    """A panel for each of `names`, `across` side by side."""
    score_table, look, down = source.score_table, looks(source.score_table.methods), len(names) // across
    with mpl.rc_context(STYLE):
        figure, grid = canvas(width, down * (0.75 + 0.27 * len(estimates)), down, across)
        for at, (axes, name) in enumerate(zip((axes for row in grid for axes in row), names, strict=True)):
            for row, method in enumerate(estimates):
                if dots:
                    _dots(axes, row, source, method, look[method])
                _row(axes, row, estimates[method][name], look[method])
            axes.set_yticks(range(len(estimates)), map(shortened, estimates) if at % across == 0 else [])
            axes.set_ylim(len(estimates) - 0.4, -0.75)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.margins(x=0.12)
            axes.xaxis.set_major_locator(MaxNLocator(4 if across == 1 else 2))
            axes.grid(axis="x")
            axes.set_xlabel(f"{TITLES[name]} of {score_table.label}" if len(names) == 1 else TITLES[name])
        if len(names) > 1:
            figure.suptitle(score_table.label, fontsize=8)
    return figure


def _row(axes: Axes, at: int, score: Estimate, look: Look) -> None:
    if score.low is not None and score.high is not None:
        axes.plot([score.low, score.high], [at, at], color=look.colour, linewidth=5, alpha=0.3, solid_capstyle="butt")
    axes.plot(score.value, at, look.marker, color=look.colour, markersize=5, mec="white", mew=0.6, zorder=4)
    interval(axes, score.low, score.high, at, look.colour)
    axes.annotate(number(score.value), (score.value, at), (0, 5.5), textcoords="offset points", ha="center", fontsize=6)


def _dots(axes: Axes, at: int, source: Source, method: str, look: Look) -> None:
    scores = source.score_table.scores[method].ravel()
    axes.plot(scores, [at + 0.3] * len(scores), "o", color=look.colour, markersize=2.4, alpha=0.6, mew=0)
