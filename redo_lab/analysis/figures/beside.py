"""Panels of several kinds in one figure: a row, or a grid where each metric has a row of games."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes

from redo_lab.analysis.figures.base import Drawing, Pane, Panes, Width, canvas, legend
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
        across = min(self.config.columns, len(panes))
        down = math.ceil(len(panes) / across)
        with mpl.rc_context(STYLE):
            figure, grid = canvas(self.config.width, down * self._row_inches(across), down, across)
            for at, axes in enumerate(axes for row in grid for axes in row):
                if at < len(panes):
                    panes[at].paint(axes, look)
                    _label(axes, panes, at, across)
                else:
                    axes.set_visible(False)
            legend(figure, look)
        notes = list(dict.fromkeys(note for part in parts for note in part.notes))
        return Drawing(figure, _together([part.data for part in parts]), notes)

    def _row_inches(self, across: int) -> float:
        """A panel is about three quarters as high as wide, and never flat."""
        return max(1.3, min(2.0, 0.8 * self.config.width.inches / across))


def _label(axes: Axes, panes: Sequence[Pane], at: int, across: int) -> None:
    """A label only where the neighbour to the left, or below, doesn't say the same."""
    pane, below = panes[at], at + across
    axes.set_title(pane.title)
    if at % across == 0 or panes[at - 1].y_label != pane.y_label:
        axes.set_ylabel(pane.y_label)
    if below >= len(panes) or panes[below].x_label != pane.x_label:
        axes.set_xlabel(pane.x_label)


def _together(data: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if len(data) == 1:
        return data[0]
    numbered = [rows.with_columns(pl.lit(number).alias("part")) for number, rows in enumerate(data, start=1)]
    return pl.concat(numbered, how="diagonal_relaxed")
