"""Aggregate scores of methods with their intervals, a panel for each aggregate (Figures 11, 13 and 26)."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes

from redo_lab.analysis.aggregate import METRICS, Estimate, estimate
from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas, shortened
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
        score_table = source.score_table
        raw = score_table.normalisation is Normalisation.NONE
        names = [name for name in self.config.aggregates if not (raw and name == "optimality_gap")] or ["iqm"]
        look = looks(score_table.methods)
        estimates = {m: estimate(scores, names, source.resampling, m) for m, scores in score_table.scores.items()}
        few = min(len(seeds) for seeds in score_table.seeds.values()) < ENOUGH_SEEDS
        dots = few and len(names) == 1 and max(scores.size for scores in score_table.scores.values()) <= MOST_DOTS
        with mpl.rc_context(STYLE):
            figure, (row,) = canvas(self.config.width, 0.75 + 0.27 * len(score_table.methods), columns=len(names))
            for axes, name in zip(row, names, strict=True):
                for at, method in enumerate(score_table.methods):
                    if dots:
                        _dots(axes, at, source, method, look[method])
                    _row(axes, at, estimates[method][name], look[method], few)
                axes.set_yticks(
                    range(len(score_table.methods)), map(shortened, score_table.methods) if axes is row[0] else []
                )
                axes.set_ylim(len(score_table.methods) - 0.4, -0.7)
                axes.tick_params(axis="y", length=0)
                axes.spines["left"].set_visible(False)
                axes.margins(x=0.12)
                axes.grid(axis="x")
                label = score_table.label
                axes.set_xlabel(f"{TITLES[name]} of {label}" if len(names) == 1 else TITLES[name])
            if len(names) > 1:
                figure.suptitle(score_table.label, fontsize=8)
        data = [
            {"method": method, "aggregate": name, "score": score_table.label,
             "value": each.value, "low": each.low, "high": each.high}
            for method, by_name in estimates.items() for name, each in by_name.items()
        ]  # fmt: skip
        notes = [f"bars: {source.resampling.described}"] if any(row["low"] is not None for row in data) else []
        return Drawing(figure, pl.DataFrame(data, infer_schema_length=None), notes + ["small dots: single runs"] * dots)


def _row(axes: Axes, at: int, score: Estimate, look: Look, few: bool) -> None:
    if score.low is not None and score.high is not None:
        width, alpha = (1.6, 0.55) if few else (5.0, 0.4)
        axes.plot([score.low, score.high], [at, at], color=look.colour, linewidth=width, alpha=alpha,
                  solid_capstyle="butt")  # fmt: skip
    axes.plot(score.value, at, look.marker, color=look.colour, markersize=5.5, mec="white", mew=0.6, zorder=4)
    axes.annotate(number(score.value), (score.value, at), (0, 5), textcoords="offset points", ha="center", fontsize=6)


def _dots(axes: Axes, at: int, source: Source, method: str, look: Look) -> None:
    scores = source.score_table.scores[method].ravel()
    axes.plot(scores, [at + 0.22] * len(scores), "o", color=look.colour, markersize=2.2, alpha=0.45, mew=0)
