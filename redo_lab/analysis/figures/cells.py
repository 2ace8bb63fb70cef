"""What figures that are tables share: their one metric, the heads of columns, and lines below rows."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.table import Table

from redo_lab.analysis.figures.base import Source, shortened
from redo_lab.analysis.lines import expanded

LONGEST_HEAD = 14
"""Letters of the name of a column in one line."""


def the_metric(pattern: str, source: Source) -> str:
    """The only metric that `pattern` matches; ValueError for several or none."""
    names = expanded([pattern], source.score_table, source.table)
    if len(names) > 1:
        raise ValueError(f"{pattern} matches {', '.join(names)}: choose one")
    return names[0]


def heads(names: Sequence[str]) -> list[str]:
    """Names of columns; where one is long, all in a line for each of their parts: "redo," above "RR 2"."""
    shown = [shortened(name) for name in names]
    return [name.replace(", ", ",\n") for name in shown] if max(map(len, shown), default=0) > LONGEST_HEAD else shown


def rule(table: Table, font_points: float) -> None:
    """A line below each row, a dark one below the header, which is as high as its lines."""
    table.auto_set_font_size(False)
    table.set_fontsize(font_points)
    cells = table.get_celld()
    lines = max(cell.get_text().get_text().count("\n") + 1 for (row, _), cell in cells.items() if row == 0)
    for (row, _), cell in cells.items():
        cell.set_height(cell.get_height() * (lines if row == 0 else 1))
        cell.visible_edges = "B"
        cell.set(linewidth=0.8 if row == 0 else 0.3, edgecolor="#444444" if row == 0 else "#CCCCCC")
