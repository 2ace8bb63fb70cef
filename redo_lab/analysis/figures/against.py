"""An aggregate against a setting, such as the replay ratio or the width, a line for each method (Figures 10 and 12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from redo_lab.analysis.aggregate import METRICS, Estimate, estimate
from redo_lab.analysis.figures.base import Drawing, Pane, Panes, Source, Width
from redo_lab.analysis.figures.beside import Layout
from redo_lab.analysis.figures.intervals import interval
from redo_lab.analysis.looks import Look
from redo_lab.analysis.methods import label_without, require_numbers
from redo_lab.analysis.summary import TITLES
from redo_lab.config import require


class Against:
    """x: an axis or a setting of numbers that tells methods apart."""

    @dataclass
    class Config:
        """aggregate: iqm, median, mean or optimality_gap; x_label: None is the name of `x`; title: None is none."""

        width: Width
        title: str | None
        x: str
        x_label: str | None
        aggregate: str

        def __post_init__(self) -> None:
            require(self.aggregate in METRICS, f"no aggregate '{self.aggregate}': {', '.join(METRICS)}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def panes(self, source: Source) -> Panes:
        """One panel; x is on a logarithmic scale of its own values, and intervals stand side by side."""
        score_table, series = source.score_table, self._series(source)
        places = sorted({float(value) for value in score_table.runs[self.config.x]})

        def paint(axes: Axes, look: Mapping[str, Look]) -> None:
            for at, (name, points) in enumerate(series.items()):
                _line(axes, points, places, 0.08 * (at - (len(series) - 1) / 2), look[name])
            axes.set_xticks(range(len(places)), [f"{place:g}" for place in places])
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.grid(axis="y")

        data = [
            {"method": name, self.config.x: place, "value": score.value, "low": score.low, "high": score.high}
            for name, points in series.items()
            for place, score in points
        ]
        notes = [f"bars: {source.resampling.described}"] if any(row["low"] is not None for row in data) else []
        x_label = self.config.x_label or self.config.x.rpartition(".")[2].replace("_", " ")
        y_label = f"{TITLES[self.config.aggregate]} of\n{score_table.label}"
        pane = Pane(self.config.title or "", x_label, y_label, paint)
        return Panes([pane], list(series), pl.DataFrame(data, infer_schema_length=None), notes)

    def draw(self, source: Source) -> Drawing:
        """The panel alone."""
        return Layout(Layout.Config(self.config.width, 1)).draw([self.panes(source)])

    def _series(self, source: Source) -> dict[str, list[tuple[float, Estimate]]]:
        """The estimates of each line, by x."""
        score_table, x = source.score_table, self.config.x
        if (
            x not in score_table.runs.columns
            or not score_table.runs[x].dtype.is_numeric()
            or score_table.runs[x].n_unique() < 2
        ):
            raise ValueError(f"a figure against {x} needs runs of at least two values of it, which are numbers")
        require_numbers(score_table.runs, x)
        series: dict[str, list[tuple[float, Estimate]]] = defaultdict(list)
        for method, scores in score_table.scores.items():
            run = score_table.runs.filter(pl.col("method") == method).row(0, named=True)
            score = estimate(scores, [self.config.aggregate], source.resampling, method)[self.config.aggregate]
            series[label_without(run, x)].append((float(run[x]), score))
        return {name: sorted(points, key=lambda point: point[0]) for name, points in series.items()}


def _line(
    axes: Axes, points: Sequence[tuple[float, Estimate]], places: Sequence[float], aside: float, look: Look
) -> None:
    where = [places.index(place) + aside for place, _ in points]
    axes.plot(where, [score.value for _, score in points], color=look.colour, linestyle=look.line,
              marker=look.marker, markersize=3.5, mec="white", mew=0.4)  # fmt: skip
    for place, (_, score) in zip(where, points, strict=True):
        interval(axes, score.low, score.high, place, look.colour, upright=True)
