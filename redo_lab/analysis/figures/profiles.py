"""Performance profiles: the share of runs above every score (Dolan and Moré, 2002; Agarwal et al., 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import polars as pl

from redo_lab.analysis.aggregate import profile
from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas
from redo_lab.analysis.figures.legends import legend
from redo_lab.analysis.looks import STYLE, looks
from redo_lab.config import require


class Profiles:
    """The share of runs better than each threshold, a curve for each method; higher everywhere is better."""

    @dataclass
    class Config:
        """points: thresholds from the lowest score to the one at highest_quantile of all."""

        width: Width
        points: int
        highest_quantile: float

        def __post_init__(self) -> None:
            require(self.points >= 2, f"points must be ≥ 2, got {self.points}")
            require(0 < self.highest_quantile <= 1, f"highest_quantile must be in (0, 1], got {self.highest_quantile}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """The few highest scores are cut off, so that one easy game doesn't fill the axis."""
        score_table, look = source.score_table, looks(source.score_table.methods)
        everything = np.concatenate([scores.ravel() for scores in score_table.scores.values()])
        low, high = min(0.0, float(everything.min())), float(np.quantile(everything, self.config.highest_quantile))
        thresholds = np.linspace(low, high, self.config.points)
        # The share below where lower is better, so that the higher curve is the better one.
        sign, relation = (1, ">") if score_table.score.higher_is_better else (-1, "<")
        lines = {
            m: profile(sign * scores, sign * thresholds, source.resampling, m)
            for m, scores in score_table.scores.items()
        }
        with mpl.rc_context(STYLE):
            figure, ((axes,),) = canvas(self.config.width, 2.2)
            every = max(1, self.config.points // 8)
            for at, (method, line) in enumerate(lines.items()):
                each = look[method]
                if line.low is not None and line.high is not None:
                    axes.fill_between(thresholds, line.low, line.high, color=each.colour, alpha=0.18, linewidth=0)
                axes.plot(thresholds, line.value, color=each.colour, linestyle=each.line, marker=each.marker,
                          markevery=(at * every // len(lines), every), mec="white", mew=0.5)  # fmt: skip
            axes.set_xlabel(f"{score_table.label} (τ)")
            axes.set_ylabel(f"share of runs with\nscore {relation} τ")
            axes.set_ylim(0, 1.02)
            axes.margins(x=0)
            axes.grid(axis="both")
            legend(figure, look)
        data = pl.concat([
            pl.DataFrame({"method": method, "threshold": thresholds, "value": line.value, "low": line.low,
                          "high": line.high}, schema_overrides={"low": pl.Float64, "high": pl.Float64})
            for method, line in lines.items()
        ])  # fmt: skip
        banded = any(line.low is not None for line in lines.values())
        return Drawing(figure, data, [f"bands: {source.resampling.described}"] if banded else [])
