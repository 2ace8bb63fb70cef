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
GAP = 1.3
"""From one panel to the next, in widths of a panel."""
ROW = 1.5
"""The height of a row, in heights of a letter."""


def legend(figure: Figure, look: Mapping[str, Look], spare: Sequence[Axes] = ()) -> None:
    """The names in the `spare` axes if they fit in, else above, the figure higher by these rows.

    None for a single method.
    """
    if len(look) < 2:
        return
    points = FONT_POINTS if len(look) <= FEW else SMALL_POINTS
    handles = [_handle(shortened(method), each) for method, each in look.items()]
    entry = max(_width(shortened(method), points) for method in look) + (HANDLE + PADDING) * points
    if spare and _beside(spare, handles, entry, points):
        return
    width, height = (72 * inches for inches in figure.get_size_inches())
    columns = even_columns(len(handles), max(1, int(width / entry)))
    rows = math.ceil(len(handles) / columns)
    figure.set_size_inches(width / 72, (height + ROW * points * rows) / 72)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, columnspacing=1.2, fontsize=points,
                  handlelength=HANDLE)  # fmt: skip


def _beside(spare: Sequence[Axes], handles: Sequence[Line2D], entry: float, points: float) -> bool:
    """Whether the names are now in the `spare` axes, which lie side by side; not if these have no room for them."""
    grid, figure = spare[0].get_gridspec(), spare[0].get_figure()
    assert grid is not None
    assert figure is not None
    width, height = figure.bbox.width * 72 / figure.dpi / grid.ncols, figure.bbox.height * 72 / figure.dpi / grid.nrows
    columns = even_columns(len(handles), int(len(spare) * width / entry) or 1)
    if entry > len(spare) * width or ROW * points * (math.ceil(len(handles) / columns) + 1) > height:
        return False
    # In widths of the first: the gaps between them are part of the room.
    room = (0, 0, 1 + (len(spare) - 1) * GAP, 1)
    legend = spare[0].legend(handles=handles, loc="center", bbox_to_anchor=room, ncols=columns, columnspacing=1.2,
                             fontsize=points, handlelength=HANDLE)  # fmt: skip
    legend.set_in_layout(len(spare) == 1)
    return True


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
