"""The report put together."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import matplotlib as mpl

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.costs import costs as costs_of
from redo_lab.analysis.figures.automatic import drawings
from redo_lab.analysis.figures.base import Source, caption
from redo_lab.analysis.looks import COLUMN_INCHES, STYLE
from redo_lab.analysis.output import without_formulas
from redo_lab.analysis.recipes import in_report
from redo_lab.analysis.report import sections
from redo_lab.analysis.report.data import curve_data
from redo_lab.analysis.report.markup import boxes, choice, figure, listed, safe, section
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.analysis.summary import METRICS, summary_of
from redo_lab.runs.table import Table

FIRST_GAMES = 6


def build(score_table: ScoreTable, table: Table, resampling: Resampling, title: str, page: Path) -> str:
    """The whole page, to be written at `page`."""
    per_run = costs_of(table.runs["directory"].to_list())
    data = curve_data(score_table, table)
    pictures, reasons = _figures(Source(score_table, table, resampling))
    warnings = sections.warnings(score_table)
    if reasons:
        pictures += f"<details><summary>not drawn</summary>{listed(reasons)}</details>"
    parts = {
        "summary": ("Summary", sections.summary(summary_of(score_table, table, METRICS, resampling), resampling)),
        "figures": ("Figures", pictures),
        "curves-section": ("Curves", _curves(data)),
        "cost": ("Cost", sections.costs(score_table, per_run)),
        "settings": ("What the configs differ in", sections.settings(score_table, table)),
        "all-runs": ("Runs", sections.runs(score_table, table, per_run, page)),
    }  # fmt: skip
    if warnings:
        parts = {"warnings": ("Read this first", warnings), **parts}
    folder = files(__package__)
    return Template(folder.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=safe(title),
        lead=safe(sections.facts(score_table, table)),
        nav=" ".join(f'<a href="#{name}">{safe(heading)}</a>' for name, (heading, _) in parts.items()),
        sections="\n".join(section(name, heading, body) for name, (heading, body) in parts.items()),
        css=folder.joinpath("page.css").read_text(encoding="utf-8"),
        plotly=_plotly(),
        # Without < nothing in a script's text can end it or open a comment.
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        script=folder.joinpath("page.js").read_text(encoding="utf-8"),
    )


def _figures(source: Source) -> tuple[str, list[str]]:
    """All that these runs allow, and why the others are not there."""
    pictures, reasons = [], []
    for name, title, drawing in drawings(in_report(), source):
        if isinstance(drawing, str):
            reasons.append(f"{name}: {drawing}")
            continue
        svg = io.BytesIO()
        with mpl.rc_context(STYLE):
            drawing.figure.savefig(svg, format="svg", metadata={"Date": None})
        text = f"{title} {caption(source.score_table, drawing.notes)}"
        wide = drawing.figure.get_figwidth() > COLUMN_INCHES
        pictures.append(figure(svg.getvalue(), without_formulas(drawing.data).write_csv(), name, text, wide=wide))
    return f'<div class="figures">{"".join(pictures)}</div>', reasons


def _curves(data: dict[str, Any]) -> str:
    controls = [
        choice("metric", "metric", [(name, name) for name in data["metrics"]]),
        choice("clock", "against", [("env_steps", "agent steps"), ("updates", "gradient steps")]),
        '<label><input type="checkbox" id="single"> single seeds</label>',
        boxes("methods", "methods", data["methods"], data["methods"], data["colours"]),
        boxes("games", "games", data["games"], data["games"][:FIRST_GAMES], {}),
    ]
    note = "Mean over seeds, and their range as a band (no confidence interval). Drag to zoom, double-click to go back."
    return f'<div class="controls">{"".join(controls)}</div><div id="curves"></div><p class="soft">{note}</p>'


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
