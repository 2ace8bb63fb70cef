"""The figures of the report as pictures on its page: rows without gaps, captions, the numbers to download."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from redo_lab.analysis.figures.automatic import drawings
from redo_lab.analysis.figures.base import Drawing, Source, sample
from redo_lab.analysis.looks import COLUMN_INCHES, STYLE
from redo_lab.analysis.output import without_formulas
from redo_lab.analysis.recipes import in_report
from redo_lab.analysis.report.dark import with_dark
from redo_lab.analysis.report.markup import listed, safe

ACROSS, WIDE = 3, 2
"""A row of the page has room for so many figures of a column's width; one of a page's width takes the place of WIDE."""
KINDS = {1: "column", WIDE: "page", ACROSS: "full"}
"""Classes of page.css, by places taken."""
TALL = 0.8
"""A figure of a page's width that is so much of it high has a row for itself: nothing beside it would be as high."""
NARROW = "(max-width: 700px)"
"""Pages on which a wide figure is drawn anew, as page.css has it, too."""


class Picture(NamedTuple):
    """A figure as HTML, but for its place: inside: of the tag; places: it takes of ACROSS."""

    name: str
    inside: str
    places: int


def figures(source: Source) -> Iterator[str]:
    """All that these runs allow, and why the others are not there. What is true of all is said once, above them."""
    pictures, reasons = [], []
    for name, title, drawing in drawings(in_report(), source):
        if isinstance(drawing, str):
            reasons.append(f"{name}: {drawing}")
        else:
            pictures.append(_picture(name, title, drawing))
    yield f"<p class='soft'>All figures: {safe(sample(source.score_table))}.</p>\n"
    yield '<div class="figures">'
    for row in rows([picture.places for picture in pictures]):
        for at in row:
            yield _placed(pictures[at], alone=len(row) == 1)
    yield "</div>"
    if reasons:
        yield f"<details><summary>not drawn</summary>{listed(reasons)}</details>"


def rows(places: Sequence[int]) -> list[list[int]]:
    """Which figures stand side by side: each row takes the first that is left and the next ones that fill it up."""
    left, groups = list(range(len(places))), []
    while left:
        row, room = [], ACROSS
        for at in list(left):
            if places[at] <= room:
                row.append(at)
                left.remove(at)
                room -= places[at]
        groups.append(row)
    return groups


def _picture(name: str, title: str, drawing: Drawing) -> Picture:
    picture, numbers = _svg(drawing.figure), without_formulas(drawing.data).write_csv()
    width, height = drawing.figure.get_size_inches()
    places = 1 if width <= COLUMN_INCHES else ACROSS if height > TALL * width else WIDE
    source = f'<source media="{NARROW}" srcset="{_svg(drawing.narrow())}">' if drawing.narrow else ""
    notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in drawing.notes)
    link = f'<a download="{safe(name)}.csv" href="{_data("text/csv", numbers.encode())}">numbers</a>'
    caption = f"<figcaption><b>{safe(title)}</b> {safe(notes)} {link}</figcaption>"
    return Picture(name, f'<picture>{source}<img alt="{safe(title)}" src="{picture}"></picture>{caption}', places)


def _placed(picture: Picture, *, alone: bool) -> str:
    """alone: in a row of its own, with the caption beside it."""
    kind = KINDS[picture.places] + " alone" * (alone and picture.places < ACROSS)
    return f'<figure class="{kind}" id="figure-{safe(picture.name)}">{picture.inside}</figure>\n'


def _svg(figure: Figure) -> str:
    svg = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return _data("image/svg+xml", with_dark(svg.getvalue()))


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
