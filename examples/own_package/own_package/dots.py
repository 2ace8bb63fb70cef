"""A kind of figure: a dot for every run."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import polars as pl

from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas
from redo_lab.analysis.looks import STYLE, looks


class Dots:
    """The scores of all runs of each method."""

    @dataclass
    class Config:
        """`alpha`: of the dots."""

        width: Width
        alpha: float

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """The same dots in the numbers."""
        table, look = source.score_table, looks(source.score_table.methods)
        with mpl.rc_context(STYLE):
            figure, ((axes,),) = canvas(self.config.width, 1.0 + 0.2 * len(table.methods))
            for row, (method, scores) in enumerate(table.scores.items()):
                axes.plot(scores.ravel(), [row] * scores.size, "o", color=look[method].colour, alpha=self.config.alpha)
            axes.set_yticks(range(len(table.methods)), table.methods)
            axes.set_xlabel(table.normalisation.label)
        rows = [(method, float(score)) for method, scores in table.scores.items() for score in scores.ravel()]
        return Drawing(figure, pl.DataFrame(rows, schema=["method", "score"], orient="row"), ["a dot: a run"])
