"""How figures look: one colour, line and marker per method, the same in every figure; readable without colour."""

from __future__ import annotations

import re
import zlib
from collections.abc import Container, Sequence
from typing import Any, NamedTuple

from redo_lab.analysis.palette import sequence, shades
from redo_lab.analysis.sheet import BETWEEN, current

COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind-safe palette without its yellow, which is too pale for a line on white."""
LINES: tuple[Any, ...] = ((0, (4, 1.5)), "-", (0, (6, 1.5, 1, 1.5)), (0, (1, 1.2)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")

NUMBER = re.compile(r" -?\d[\d.e+-]*$")
"""What ends the name of a method that is told apart by a number alone: "RR 0.25", "width 4"."""

COLUMN_INCHES, PAGE_INCHES = 3.25, 6.75
"""The width of a column and of the text in ICML's style."""
FONT_POINTS, SMALL_POINTS, CAPTION_POINTS = 7.5, 6.5, 6.0

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_POINTS,
    "axes.titlesize": 8,
    "axes.labelsize": FONT_POINTS,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": "#222222",
    "axes.labelcolor": "#222222",
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": FONT_POINTS,
    "legend.handlelength": 3.0,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.dpi": 150,
    # A dollar in the name of a run is no formula.
    "text.parse_math": False,
    # TrueType in PDF, so that the publisher's checks find every font embedded; outlines in SVG, which need none.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "redo_lab",
}


class Look(NamedTuple):
    """How a method is drawn."""

    colour: str
    line: Any
    marker: str


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """A distinct look per method, the same in every figure of the same methods.

    `methods` are called as the style sheet has it; a method looks the same whatever it is called.
    """
    sheet = current()
    plain = {method: sheet.plain(method) for method in methods}
    by_plain = _looks(list(dict.fromkeys(plain.values())))
    return {method: _own(name, by_plain[name]) for method, name in plain.items()}


def _looks(methods: Sequence[str]) -> dict[str, Look]:
    """Of plain names: "redo" and "redo, RR 2" are variants of one family, with its colour and line.

    They differ in shade and marker. "RR 1" and "RR 2" are one family, too; without another one beside them they go
    along a sequence of colours and lines. A family to which the sheet gives a place always has it, and where several
    have the same, all but the first differ from it in shade, line and marker; any other one starts from a hash of its
    name.
    """
    families = dict.fromkeys(_family(method) for method in methods)
    fixed = places()
    taken = {fixed[family] for family in families if family in fixed}
    by_method: dict[str, Look] = {}
    for family in families:
        slot = fixed[family] if family in fixed else _free_slot(family, taken)
        taken.add(slot)
        variants = [method for method in methods if _family(method) == family]
        after = _same_place(family, families)
        alone = len(families) == 1 < len(variants) and family not in fixed and family != _words(variants[0])
        colour = shades(_colour(family, slot), 2)[0] if after else _colour(family, slot)
        colours = sequence(len(variants)) if alone else shades(colour, len(variants))
        for number, method in enumerate(variants):
            marker = MARKERS[(slot + number + 3 * after) % len(MARKERS)]
            line = LINES[(slot + number * alone + 2 * after) % len(LINES)]
            by_method[method] = Look(colours[number], line, marker)
    return {method: by_method[method] for method in methods}


def places() -> dict[str, int]:
    """The places in the palette that the style sheet gives to families."""
    return dict(current().places)


def _same_place(family: str, families: Container[str]) -> int:
    """How many of `families` come before `family` in the style sheet and have its place."""
    fixed = places()
    here = [other for other, place in fixed.items() if other in families and place == fixed.get(family)]
    return here.index(family) if family in here else 0


def _colour(family: str, slot: int) -> str:
    """The one that the style sheet gives to `family`, else the palette's."""
    return current().colours.get(family, COLOURS[slot % len(COLOURS)])


def _own(method: str, look: Look) -> Look:
    """`look`, unless the style sheet has one for this very variant of a family."""
    sheet = current()
    if BETWEEN not in method:
        return look
    if (place := sheet.places.get(method)) is not None:
        look = Look(*(options[place % len(options)] for options in (COLOURS, LINES, MARKERS)))
    return look._replace(colour=sheet.colours.get(method, look.colour))


def _words(method: str) -> str:
    return method.partition(", ")[0]


def _family(method: str) -> str:
    return NUMBER.sub("", _words(method))


def _free_slot(family: str, taken: set[int]) -> int:
    slots = len(COLOURS) * len(LINES)
    start = zlib.crc32(family.encode()) % slots
    free = [slot for slot in ((start + offset) % slots for offset in range(slots)) if slot not in taken]
    return min(free, key=lambda slot: _shared(slot, taken), default=start)


def _shared(slot: int, taken: set[int]) -> int:
    """How much of a look other families have already: colour and marker."""
    colours, markers = {other % len(COLOURS) for other in taken}, {other % len(MARKERS) for other in taken}
    return (slot % len(COLOURS) in colours) + (slot % len(MARKERS) in markers)
