"""How figures look: one colour, line and marker per method, the same in every figure; readable without colour."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind-safe palette without its yellow, which is too pale for a line on white."""
LINES: tuple[Any, ...] = ((0, (4, 1.5)), "-", (0, (6, 1.5, 1, 1.5)), (0, (1, 1.2)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

KNOWN = ("none", "redo", "reset", "weight_decay", "l2_init", "random", "inverse")

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "legend.handlelength": 3.2,
    "lines.linewidth": 1.9,
    "lines.markersize": 5.5,
    "figure.dpi": 150,
}
CAPTION: dict[str, Any] = {"fontsize": 8, "color": "#555555", "linespacing": 1.4}


class Look(NamedTuple):
    """How a method is drawn."""

    colour: str
    line: Any
    marker: str


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """A distinct look per method. A known method always has its own; any other one starts from a hash of its name."""
    slots = len(COLOURS) * len(LINES)
    taken = {KNOWN.index(method) for method in methods if method in KNOWN}
    chosen = {}
    for method in methods:
        if method in KNOWN:
            slot = KNOWN.index(method)
        else:
            start = zlib.crc32(method.encode()) % slots
            free = [slot for slot in ((start + offset) % slots for offset in range(slots)) if slot not in taken]
            slot = min(free, key=lambda slot: _shared(slot, taken), default=start)
            taken.add(slot)
        chosen[method] = Look(COLOURS[slot % len(COLOURS)], LINES[slot % len(LINES)], MARKERS[slot % len(MARKERS)])
    return chosen


def _shared(slot: int, taken: set[int]) -> int:
    """How much of a look other methods have already: colour and marker."""
    colours, markers = {other % len(COLOURS) for other in taken}, {other % len(MARKERS) for other in taken}
    return (slot % len(COLOURS) in colours) + (slot % len(MARKERS) in markers)
