"""The legend of a figure: where a place is free in the grid, else in even rows above everything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath

from redo_lab.analysis.figures.base import shortened
from redo_lab.analysis.looks import FONT_POINTS, SMALL_POINTS, Look

FEW = 4
"""So many names are as large as other words; more are smaller."""
HANDLE, PADDING = 2.8, 2.6
"""Widths in heights of a letter: of a line in the legend, and of what is left free around it and its name."""
ROW = 1.5
"""The height of a row, in heights of a letter."""


def legend(figure: Figure, look: Mapping[str, Look], spare: Sequence[Axes] = ()) -> None:
    """The names in the first of the `spare` axes if they fit in, else above, the figure higher by these rows.

    None for a single method.
    """
    if len(look) < 2:
        return
    points = FONT_POINTS if len(look) <= FEW else SMALL_POINTS
    handles = [_handle(shortened(method), each) for method, each in look.items()]
    entry = max(_width(shortened(method), points) for method in look) + (HANDLE + PADDING) * points
    width, height = (72 * inches for inches in figure.get_size_inches())
    if spare:
        grid = spare[0].get_gridspec()
        assert grid is not None
        if entry <= width / grid.ncols and ROW * points * (len(look) + 1) <= height / grid.nrows:
            spare[0].legend(handles=handles, loc="center", fontsize=points, handlelength=HANDLE)
            return
    columns = even_columns(len(handles), max(1, int(width / entry)))
    rows = math.ceil(len(handles) / columns)
    figure.set_size_inches(width / 72, (height + ROW * points * rows) / 72)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, columnspacing=1.2, fontsize=points,
                  handlelength=HANDLE)  # fmt: skip


def even_columns(count: int, most: int) -> int:
    """At most `most`, in as few rows as possible, and these as even as possible.

    Where half as many columns or more divide `count`, so many: eight names stand in two columns rather than in three.
    """
    if count <= most:
        return count
    for columns in range(most, max(1, math.ceil(most / 2) - 1), -1):
        if count % columns == 0:
            return columns
    return math.ceil(count / math.ceil(count / most))


def _handle(name: str, look: Look) -> Line2D:
    return Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker, mec="white", mew=0.5, label=name)


def _width(text: str, points: float) -> float:
    return float(TextPath((0, 0), text, size=points).get_extents().width) if text.strip() else 0.0
