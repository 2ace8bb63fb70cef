"""Panels of several kinds in one figure: a row, or a grid where each metric has a row of games."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes

from redo_lab.analysis.figures.base import Drawing, Pane, Panes, Width, canvas, even, fitted
from redo_lab.analysis.figures.legends import legend
from redo_lab.analysis.figures.painting import AROUND_INCHES
from redo_lab.analysis.looks import STYLE, looks
from redo_lab.config import require


class Layout:
    """How panels stand: row by row, as they come."""

    @dataclass
    class Config:
        """columns: panels side by side."""

        width: Width
        columns: int

        def __post_init__(self) -> None:
            require(self.columns >= 1, f"columns must be ≥ 1, got {self.columns}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, parts: Sequence[Panes]) -> Drawing:
        """All panels, a legend for all; the numbers of several parts below one another, each with its part's number."""
        panes = [pane for part in parts for pane in part.panes]
        look = looks(list(dict.fromkeys(name for part in parts for name in part.names)))
        across = even(len(panes), self.config.columns)
        down = math.ceil(len(panes) / across)
        with mpl.rc_context(STYLE):
            figure, grid = canvas(self.config.width, down * self._row_inches(across), down, across)
            places = [axes for row in grid for axes in row]
            for at, axes in enumerate(places[: len(panes)]):
                panes[at].paint(axes, look)
                _label(axes, panes, at, across, self._row_inches(across) - AROUND_INCHES)
            for axes in places[len(panes) :]:
                axes.set_axis_off()
            legend(figure, look, places[len(panes) :])
        notes = list(dict.fromkeys(note for part in parts for note in part.notes))
        pooled = any(part.pooled for part in parts)
        return Drawing(figure, _together([part.data for part in parts]), notes, pooled=pooled)

    def _row_inches(self, across: int) -> float:
        """A panel is about three quarters as high as wide, and never flat."""
        return max(1.8, min(2.1, 0.8 * self.config.width.inches / across))


def _label(axes: Axes, panes: Sequence[Pane], at: int, across: int, inches: float) -> None:
    """A label only where the neighbour to the left, or below, doesn't say the same."""
    pane, below = panes[at], at + across
    axes.set_title(pane.title)
    if at % across == 0 or panes[at - 1].y_label != pane.y_label:
        axes.set_ylabel(fitted(pane.y_label, inches))
    if below >= len(panes) or panes[below].x_label != pane.x_label:
        axes.set_xlabel(pane.x_label)


def _together(data: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if len(data) == 1:
        return data[0]
    numbered = [rows.with_columns(pl.lit(number).alias("part")) for number, rows in enumerate(data, start=1)]
    return pl.concat(numbered, how="diagonal_relaxed")
