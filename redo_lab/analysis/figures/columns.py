"""An aggregate of each method as an upright bar with its interval (Figures 11 and 13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes

from redo_lab.analysis.aggregate import METRICS, Estimate, estimate
from redo_lab.analysis.figures.base import Drawing, Pane, Panes, Source, Width, shortened
from redo_lab.analysis.figures.beside import Layout
from redo_lab.analysis.figures.intervals import interval
from redo_lab.analysis.looks import SMALL_POINTS, Look
from redo_lab.analysis.summary import TITLES
from redo_lab.config import require

LONGEST, TURNED = 18, 35
"""Of the names below bars: letters, and degrees, so that neighbours don't touch."""


class Columns:
    """A bar from 0 for each method."""

    @dataclass
    class Config:
        """aggregate: iqm, median, mean or optimality_gap."""

        width: Width
        aggregate: str

        def __post_init__(self) -> None:
            require(self.aggregate in METRICS, f"no aggregate '{self.aggregate}': {', '.join(METRICS)}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def panes(self, source: Source) -> Panes:
        """One panel."""
        score_table, name = source.score_table, self.config.aggregate
        scores = {m: estimate(s, [name], source.resampling, m)[name] for m, s in score_table.scores.items()}

        def paint(axes: Axes, look: Mapping[str, Look]) -> None:
            for at, (method, score) in enumerate(scores.items()):
                _bar(axes, at, score, look[method])
            axes.set_xticks(range(len(scores)), [shortened(method, LONGEST) for method in scores],
                            rotation=TURNED, rotation_mode="anchor", ha="right", fontsize=SMALL_POINTS)  # fmt: skip
            axes.grid(axis="y")

        data = [
            {"method": method, "aggregate": name, "value": score.value, "low": score.low, "high": score.high}
            for method, score in scores.items()
        ]
        notes = (
            [f"error bars: {source.resampling.described}"] if any(s.low is not None for s in scores.values()) else []
        )
        y_label = f"{TITLES[name]} of\n{score_table.label}"
        return Panes([Pane("", "", y_label, paint)], list(scores), pl.DataFrame(data, infer_schema_length=None), notes)

    def draw(self, source: Source) -> Drawing:
        """The panel alone."""
        return Layout(Layout.Config(self.config.width, 1)).draw([self.panes(source)])


def _bar(axes: Axes, at: int, score: Estimate, look: Look) -> None:
    axes.bar(at, score.value, width=0.7, color=look.colour, alpha=0.75, linewidth=0)
    interval(axes, score.low, score.high, at, "#222222", upright=True, cased=True)
