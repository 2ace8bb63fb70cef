"""An aggregate against a setting, such as the replay ratio or the width, a line for each method (Figures 10 and 12)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import matplotlib as mpl
import polars as pl

from redo_lab.analysis.aggregate import METRICS, Estimate, estimate
from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas, legend
from redo_lab.analysis.looks import STYLE, looks
from redo_lab.analysis.methods import label_without
from redo_lab.analysis.summary import TITLES
from redo_lab.config import require


class Against:
    """x: an axis or a setting of numbers that tells methods apart."""

    @dataclass
    class Config:
        """aggregate: iqm, median, mean or optimality_gap; x_label: None is the name of `x`."""

        width: Width
        x: str
        x_label: str | None
        aggregate: str

        def __post_init__(self) -> None:
            require(self.aggregate in METRICS, f"no aggregate '{self.aggregate}': {', '.join(METRICS)}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """x is on a logarithmic scale of its own values; intervals stand side by side."""
        score_table, x = source.score_table, self.config.x
        if (
            x not in score_table.runs.columns
            or not score_table.runs[x].dtype.is_numeric()
            or score_table.runs[x].n_unique() < 2
        ):
            raise ValueError(f"a figure against {x} needs runs of at least two values of it, which are numbers")
        series: dict[str, list[tuple[float, Estimate]]] = defaultdict(list)
        for method, scores in score_table.scores.items():
            run = score_table.runs.filter(pl.col("method") == method).row(0, named=True)
            score = estimate(scores, [self.config.aggregate], source.resampling, method)[self.config.aggregate]
            series[label_without(run, x)].append((float(run[x]), score))
        look, places = looks(list(series)), sorted({float(value) for value in score_table.runs[x]})
        with mpl.rc_context(STYLE):
            figure, ((axes,),) = canvas(self.config.width, 2.2)
            for at, (name, points) in enumerate(series.items()):
                points.sort(key=lambda point: point[0])
                aside = 0.08 * (at - (len(series) - 1) / 2)
                where, each = [places.index(place) + aside for place, _ in points], look[name]
                axes.plot(where, [score.value for _, score in points], color=each.colour, linestyle=each.line,
                          marker=each.marker, mec="white", mew=0.5)  # fmt: skip
                for place, (_, score) in zip(where, points, strict=True):
                    if score.low is not None and score.high is not None:
                        axes.plot([place] * 2, [score.low, score.high], color=each.colour, linewidth=3, alpha=0.35,
                                  solid_capstyle="butt")  # fmt: skip
            axes.set_xticks(range(len(places)), [f"{place:g}" for place in places])
            axes.grid(axis="y")
            axes.set_xlabel(self.config.x_label or x.rpartition(".")[2].replace("_", " "))
            axes.set_ylabel(f"{TITLES[self.config.aggregate]} of\n{score_table.label}")
            legend(figure, look)
        rows = [
            {"method": name, x: place, "value": score.value, "low": score.low, "high": score.high}
            for name, points in series.items()
            for place, score in points
        ]
        notes = [f"bars: {source.resampling.described}"] if any(row["low"] is not None for row in rows) else []
        return Drawing(figure, pl.DataFrame(rows, infer_schema_length=None), notes)
