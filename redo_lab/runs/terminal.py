"""Tables of runs as lines that fit a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

NOTHING = "–"
"""The cell of a value that there isn't."""
BETWEEN = "  "
LISTED = 4
"""So many columns for which there is no room are named."""


@dataclass(frozen=True)
class Column:
    """left: words stand to the left, numbers to the right. rank: the highest is left out first where there is no room.

    rank None: it is always there.
    """

    heading: str
    cells: Sequence[str]
    left: bool = False
    rank: int | None = None

    @cached_property
    def width(self) -> int:
        return max(map(cell_len, (self.heading, *self.cells)))

    @property
    def empty(self) -> bool:
        return all(cell in ("", NOTHING) for cell in self.cells)


def width_of(console: Console, elsewhere: int) -> int:
    """Of the terminal, or what the variable COLUMNS says; `elsewhere` for output that goes to a file or a pipe."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else elsewhere


def fitted(
    columns: Sequence[Column], width: int, name: str, wanted: int, shortened: Callable[[str, int], str]
) -> tuple[list[Column], list[str]]:
    """The columns that have room, and the headings of those that have none.

    Columns of the highest rank go until the column headed `name` has the room that is `wanted`, if that helps; then it
    is `shortened` to what is left.
    """
    shown, hidden = list(columns), list[str]()
    while _rest(shown, name) + min(wanted, _of(shown, name).width) > width:
        ranked = [column for column in shown if column.rank is not None]
        if not ranked:
            break
        last = max(reversed(ranked), key=lambda column: column.rank or 0)
        shown.remove(last)
        hidden.insert(0, last.heading)
    room = max(len(name), width - _rest(shown, name), 1)
    cut = [replace(c, cells=[shortened(cell, room) for cell in c.cells]) if c.heading == name else c for c in shown]
    return cut, hidden


def lines(columns: Sequence[Column], styles: Sequence[str]) -> list[Text]:
    """The headings, dim, then a line for each row, whose first cell has its style.

    Rich's own Table takes four times as long, which shows from thousands of runs on.
    """
    widths = [column.width for column in columns]
    table = zip(*((column.heading, *column.cells) for column in columns), strict=True)
    texts = []
    for number, (row, style) in enumerate(zip(table, ("dim", *styles), strict=True)):
        padded = [
            cell + " " * (width - cell_len(cell)) if column.left else " " * (width - cell_len(cell)) + cell
            for column, cell, width in zip(columns, row, widths, strict=True)
        ]
        line = Text(BETWEEN.join(padded).rstrip(), no_wrap=True, overflow="ellipsis")
        line.stylize(style, 0, len(padded[0]) if number else len(line))
        texts.append(line)
    return texts


def left_out(headings: Sequence[str]) -> Text:
    """Which columns are not there: the first by name, the others counted."""
    more = len(headings) - LISTED
    listed = ", ".join(headings[:LISTED]) + (f" and {more} more" if more > 0 else "")
    return Text(f"no room for {listed}", style="dim", no_wrap=True, overflow="ellipsis")


def _of(columns: Sequence[Column], name: str) -> Column:
    return next(column for column in columns if column.heading == name)


def _rest(columns: Sequence[Column], name: str) -> int:
    """The width of all but the column `name`, spaces included."""
    return sum(c.width for c in columns if c.heading != name) + len(BETWEEN) * (len(columns) - 1)
