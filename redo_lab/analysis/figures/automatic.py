"""Figures that a verb draws by itself, as many as the runs allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from redo_lab.analysis.figures.base import Drawing, Source
from redo_lab.analysis.figures.curves import Curves
from redo_lab.analysis.figures.titles import entitled
from redo_lab.analysis.recipes import read
from redo_lab.analysis.sheet import current

BAND_REPETITIONS = 2000
"""For the bands of curves, of which there may be thousands; a caption says how many were drawn."""


def drawings(names: Iterable[str], source: Source) -> Iterator[tuple[str, str, Drawing | str]]:
    """The name and the title of each figure, and the figure, or why these runs don't allow it."""
    fewer = replace(source.resampling, repetitions=min(source.resampling.repetitions, BAND_REPETITIONS))
    for name in names:
        recipe = read(name)
        kind = recipe.alone.kind
        resampling = fewer if isinstance(kind, Curves) else source.resampling
        title = current().titles.get(name, recipe.title)
        try:
            drawing = kind.draw(replace(source, resampling=resampling))
        except ValueError as error:
            yield name, title, str(error)
            continue
        yield name, title, entitled(drawing, name)
