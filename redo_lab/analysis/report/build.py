"""The report put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.costs import costs as costs_of
from redo_lab.analysis.figures.base import Source
from redo_lab.analysis.looks import looks
from redo_lab.analysis.palette import on_dark
from redo_lab.analysis.report import sections
from redo_lab.analysis.report.data import Curves, curve_data, dashes, metrics_of
from redo_lab.analysis.report.excerpts import excerpts
from redo_lab.analysis.report.markup import boxes, choice, line, listed, safe, section
from redo_lab.analysis.report.pictures import figures
from redo_lab.analysis.schemes import METRICS
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.analysis.summary import summary_of
from redo_lab.runs.reading import printable
from redo_lab.runs.table import Table

FIRST_GAMES = 6


class Part(NamedTuple):
    """A section; its body in pieces, which are made as the page is written."""

    name: str
    heading: str
    body: Iterable[str]


def build(score_table: ScoreTable, table: Table, resampling: Resampling, title: str, page: Path) -> Iterator[str]:
    """The whole page, to be written at `page`, in pieces: of thousands of runs it is too large to be held whole."""
    curves = Curves.of_scores(score_table)
    parts = _parts(score_table, curves, table, resampling, page)
    yield from _page(title, sections.facts(score_table, table), list(parts), curves, table, ["page.js"])


def build_live(
    score_table: ScoreTable | str, curves: Curves, table: Table, resampling: Resampling, title: str, page: Path
) -> Iterator[str]:
    """The page while runs go on: how far they are and everybody's `curves` first, then all that `build` has.

    score_table: or why there are no scores yet. Served, the page takes up a new version of itself.
    """
    parts = [Part("progress", "Progress", [sections.progress(table)])]
    if isinstance(score_table, str):
        parts.append(Part("curves-section", "Curves", _once(partial(_curves, curves, table))))
        parts.append(Part("missing", "No scores yet", [listed(score_table.splitlines())]))
    else:
        parts += _parts(score_table, curves, table, resampling, page)
    yield from _page(title, sections.states(table), parts, curves, table, ["page.js", "live.js"])


def _page(
    title: str, lead: str, parts: list[Part], curves: Curves, table: Table, scripts: Sequence[str]
) -> Iterator[str]:
    folder = files(__package__)
    values: Mapping[str, Iterable[str]] = {
        "title": [safe(title)],
        "lead": [safe(lead)],
        "nav": [" ".join(f'<a href="#{part.name}">{safe(part.heading)}</a>' for part in parts)],
        "sections": chain.from_iterable(section(*part) for part in parts),
        "css": [folder.joinpath("page.css").read_text(encoding="utf-8")],
        "plotly": _once(_plotly),
        "data": curve_data(curves, table, metrics_of(table)),
        "logs": excerpts(table.runs["directory"].to_list()),
        "script": [folder.joinpath(name).read_text(encoding="utf-8") for name in scripts],
    }
    page_text = folder.joinpath("page.html").read_text(encoding="utf-8")
    for at, piece in enumerate(re.split(r"\$(\w+)", page_text)):
        yield from values[piece] if at % 2 else [piece]


def _parts(score_table: ScoreTable, curves: Curves, table: Table, resampling: Resampling, page: Path) -> Iterator[Part]:
    if warnings := sections.warnings(score_table):
        yield Part("warnings", "Read this first", [warnings])
    per_run = costs_of(table.runs["directory"].to_list())
    yield Part("summary", "Summary", _once(partial(_summary, score_table, table, resampling)))
    yield Part("figures", "Figures", figures(Source(score_table, table, resampling)))
    yield Part("curves-section", "Curves", _once(partial(_curves, curves, table)))
    yield Part("cost", "Cost", [sections.costs(score_table, per_run)])
    yield Part("settings", "What the configs differ in", [sections.settings(score_table, table)])
    yield Part("all-runs", "Runs", _once(partial(sections.runs, score_table, table, per_run, page)))


def _once(body: Callable[[], str]) -> Iterator[str]:
    yield body()


def _summary(score_table: ScoreTable, table: Table, resampling: Resampling) -> str:
    return sections.summary(summary_of(score_table, table, METRICS, resampling), resampling)


def _curves(drawn: Curves, table: Table) -> str:
    look = looks(drawn.methods)
    lines = {name: line(each.colour, on_dark(each.colour), dashes(each)) for name, each in look.items()}
    names = [printable(name) for name in metrics_of(table)]
    controls = [
        choice("metric", "metric", [(name, name) for name in names]),
        choice("clock", "against", [("env_steps", "agent steps"), ("updates", "gradient steps")]),
        '<label><input type="checkbox" id="single"> single seeds</label>',
        boxes("methods", "methods", drawn.methods, drawn.methods, lines),
        boxes("games", "games", drawn.games, drawn.games[:FIRST_GAMES], {}),
    ]
    note = "Lines: mean of seeds; bands: from the lowest seed to the highest, not a confidence interval. "
    note += "Drag to zoom, double-click to go back."
    return f'<div class="controls">{"".join(controls)}</div><div id="curves"></div><p class="soft">{note}</p>'


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
