"""The report put together."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.costs import costs as costs_of
from redo_lab.analysis.figures.automatic import drawings
from redo_lab.analysis.figures.base import Source, caption
from redo_lab.analysis.looks import COLUMN_INCHES, STYLE, looks
from redo_lab.analysis.output import without_formulas
from redo_lab.analysis.recipes import in_report
from redo_lab.analysis.report import sections
from redo_lab.analysis.report.data import Curves, curve_data, metrics_of
from redo_lab.analysis.report.markup import boxes, choice, figure, listed, safe, section
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
    yield Part("figures", "Figures", _figures(Source(score_table, table, resampling)))
    yield Part("curves-section", "Curves", _once(partial(_curves, curves, table)))
    yield Part("cost", "Cost", [sections.costs(score_table, per_run)])
    yield Part("settings", "What the configs differ in", [sections.settings(score_table, table)])
    yield Part("all-runs", "Runs", _once(partial(sections.runs, score_table, table, per_run, page)))


def _once(body: Callable[[], str]) -> Iterator[str]:
    yield body()


def _summary(score_table: ScoreTable, table: Table, resampling: Resampling) -> str:
    return sections.summary(summary_of(score_table, table, METRICS, resampling), resampling)


def _figures(source: Source) -> Iterator[str]:
    """All that these runs allow, and why the others are not there."""
    reasons = []
    yield '<div class="figures">'
    for name, title, drawing in drawings(in_report(), source):
        if isinstance(drawing, str):
            reasons.append(f"{name}: {drawing}")
            continue
        svg = io.BytesIO()
        with mpl.rc_context(STYLE):
            drawing.figure.savefig(svg, format="svg", metadata={"Date": None})
        text = f"{title} {caption(source.score_table, drawing.notes)}"
        wide = drawing.figure.get_figwidth() > COLUMN_INCHES
        yield figure(svg.getvalue(), without_formulas(drawing.data).write_csv(), name, text, wide=wide)
    yield "</div>"
    if reasons:
        yield f"<details><summary>not drawn</summary>{listed(reasons)}</details>"


def _curves(drawn: Curves, table: Table) -> str:
    look = looks(drawn.methods)
    colours = {method: look[method].colour for method in drawn.methods}
    names = [printable(name) for name in metrics_of(table)]
    controls = [
        choice("metric", "metric", [(name, name) for name in names]),
        choice("clock", "against", [("env_steps", "agent steps"), ("updates", "gradient steps")]),
        '<label><input type="checkbox" id="single"> single seeds</label>',
        boxes("methods", "methods", drawn.methods, drawn.methods, colours),
        boxes("games", "games", drawn.games, drawn.games[:FIRST_GAMES], {}),
    ]
    note = "Mean over seeds, and their range as a band (no confidence interval). Drag to zoom, double-click to go back."
    return f'<div class="controls">{"".join(controls)}</div><div id="curves"></div><p class="soft">{note}</p>'


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
