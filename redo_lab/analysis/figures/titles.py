"""The titles of the style sheet: above a figure, and in place of what stands on its panels and axes."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from redo_lab.analysis.figures.base import Drawing
from redo_lab.analysis.looks import FONT_POINTS, STYLE
from redo_lab.analysis.sheet import current

TITLE_POINTS = 8
LINE_INCHES = 1.6 * FONT_POINTS / 72


def entitled(drawing: Drawing, name: str) -> Drawing:
    """The drawing of the figure `name` with the titles that the sheet gives it, in its narrow form, too."""
    entitle(drawing.figure, name)
    if (narrow := drawing.narrow) is None:
        return drawing

    def with_titles() -> Figure:
        figure = narrow()
        entitle(figure, name)
        return figure

    return replace(drawing, narrow=with_titles)


def entitle(figure: Figure, name: str) -> None:
    """The figure `name` has the titles that the sheet gives it; one above it makes it higher by its lines."""
    sheet = current()
    if not sheet.titles:
        return
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_text(sheet.title(text.get_text()))
    if label := figure.get_supylabel():
        figure.supylabel(sheet.title(label), fontsize=FONT_POINTS)
    own, above = sheet.titles.get(name), figure.get_suptitle()
    with mpl.rc_context(STYLE):
        if above:
            figure.suptitle("\n".join(line for line in (own, sheet.title(above)) if line), fontsize=TITLE_POINTS)
        elif own is not None and figure.legends:
            # Both have their place above everything.
            figure.legends[0].set_title(own, prop=FontProperties(size=TITLE_POINTS))
        elif own is not None:
            figure.suptitle(own, fontsize=TITLE_POINTS)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + LINE_INCHES * len((own or "").splitlines()))
