"""The runs that each panel of a figure is drawn from, of one scale."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from redo_lab.analysis.figures.base import Drawing, PaneKind, Source
from redo_lab.analysis.figures.titles import entitled
from redo_lab.analysis.recipes import Figure, read
from redo_lab.analysis.selection import ROOT, check_names, narrowed, resampling_of, scores_of, table_of
from redo_lab.paths import folders

if TYPE_CHECKING:
    from redo_lab.runs.table import Table

PAPER = "paper"
"""The scale that a figure of the paper is drawn at where there are runs of several."""


def drawn(arguments: argparse.Namespace) -> tuple[Drawing, list[Source]]:
    """The figure that the arguments name, and what each of its panels was drawn from."""
    base = read(arguments.name)
    places = dict.fromkeys(panel.runs for panel in base.panels)
    if arguments.runs or arguments.source:
        whole = table_of(arguments)
        tables = dict.fromkeys(places, whole)
    else:
        tables = {place: table_of(arguments, _runs_of(place, arguments.name)) for place in places}
    figure, narrow = _at_one_scale(arguments.name, base, tables)
    sources = []
    for panel, table in zip(figure.panels, narrow, strict=True):
        own = argparse.Namespace(**{**vars(arguments), "by": arguments.by or panel.by})
        score_table = scores_of(own, table, mixed_steps=panel.mixed_steps)
        resampling = resampling_of(arguments, panel.interval)
        sources.append(Source(score_table, table, resampling, arguments.smooth))
    check_names(arguments, *(source.score_table for source in sources))
    return entitled(_drawing(figure, sources), Path(arguments.name).stem), sources


def _drawing(figure: Figure, sources: Sequence[Source]) -> Drawing:
    if figure.layout is None:
        return figure.alone.kind.draw(sources[0])
    parts = []
    for panel, source in zip(figure.panels, sources, strict=True):
        if not isinstance(panel.kind, PaneKind):
            raise ValueError(f"{type(panel.kind).__name__} can't stand beside other panels")
        parts.append(panel.kind.panes(source))
    return figure.layout.draw(parts)


def _runs_of(place: str | None, figure: str) -> Path | None:
    """Where its runs are, None if it names no place; ValueError if there are none yet, with what makes them."""
    if place is None:
        return None
    path = ROOT / place
    if not path.exists() and any((folder / f"{figure}.yaml").is_file() for folder in folders("sweeps")):
        raise ValueError(f"{path}: no such directory; `redo-lab sweep {figure}` makes these runs")
    return path


def _at_one_scale(name: str, base: Figure, tables: Mapping[str | None, Table]) -> tuple[Figure, list[Table]]:
    """The figure at the scale of its runs, and the runs of each panel.

    Of runs of several scales those of the paper's are taken if every panel has such. ValueError where it has none and
    several others are left, or where no scale has runs for every panel.
    """
    if not all(tables) or any("scale" not in table.runs.columns for table in tables.values()):
        return base, [narrowed(tables[panel.runs], panel.where, absent=True) for panel in base.panels]
    scales = sorted(set.intersection(*(set(table.runs["scale"]) for table in tables.values())))
    if not scales:
        listed = "; ".join(f"{place}: {', '.join(sorted(set(t.runs['scale'])))}" for place, t in tables.items())
        raise ValueError(f"no scale has runs for every panel ({listed})")
    complete, problem = {}, ValueError()
    for scale in scales:
        figure = read(name, scale)
        try:
            complete[scale] = figure, _narrowed(figure, tables, scale)
        except ValueError as error:
            problem = error
    if not complete:
        raise problem
    if len(complete) > 1 and PAPER not in complete:
        raise ValueError(
            f"the runs are of several scales ({', '.join(complete)}); choose: --where scale={_one(complete)}"
        )
    return complete[PAPER if PAPER in complete else _one(complete)]


def _narrowed(figure: Figure, tables: Mapping[str | None, Table], scale: str) -> list[Table]:
    of_scale = {place: table.where(pl.col("scale") == scale) for place, table in tables.items()}
    return [narrowed(of_scale[panel.runs], panel.where, absent=True) for panel in figure.panels]


def _one(scales: Sequence[str] | Mapping[str, object]) -> str:
    return next(iter(scales))
