"""The sections of the report that are numbers: summary, runs, settings, cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from redo_lab.analysis.aggregate import Estimate, difference
from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.costs import per_method
from redo_lab.analysis.methods import ONE_TASK, games_text
from redo_lab.analysis.report.markup import Cell, listed, table
from redo_lab.analysis.score_table import ScoreTable, final_scores
from redo_lab.analysis.summary import TITLES, Summary, number
from redo_lab.runs.table import Table

CASES = 12
"""Distinct values of a setting that are shown."""


def warnings(score_table: ScoreTable) -> str:
    """What a reader must know before any number; empty if there is nothing."""
    lines = [*score_table.warnings(), *(f"left out: {line}" for line in score_table.left_out)]
    return listed(lines, "warnings") if lines else ""


def summary(aggregates: Summary, resampling: Resampling) -> str:
    """A row per method: aggregates with intervals, and the difference of IQMs to the first method."""
    score_table = aggregates.score_table
    base, *others = score_table.methods
    heads = ["method", "games", "seeds", *(TITLES[name] for name in aggregates.metrics)]
    heads += [f"IQM − IQM of {base}"] if others else []
    heads += [f"dormant % (τ = {aggregates.threshold:g})"] if aggregates.threshold is not None else []
    rows = []
    for method in score_table.methods:
        row = [Cell(method), Cell(str(len(score_table.games))), Cell(str(len(score_table.seeds[method])))]
        row += [_estimate(aggregates.estimates[method][name]) for name in aggregates.metrics]
        if others:
            apart = difference((method, score_table.scores[method]), (base, score_table.scores[base]), resampling)
            row.append(Cell("–", "") if method == base else _estimate(apart, signed=True))
        if aggregates.threshold is not None:
            row.append(Cell(f"{aggregates.dormancy[method]:.1f}", aggregates.dormancy[method]))
        rows.append(row)
    how = "by the same seeds" if resampling.paired else "independently"
    note = f"Scores: {score_table.label}; of a run: the mean of the last 10 % of its evaluations. "
    note += f"In brackets: {resampling.described}; differences are resampled {how}. "
    note += "A difference whose bracket holds 0 is not shown to be one."
    return f"{table(heads, rows)}\n<p class='soft'>{note}</p>"


def runs(score_table: ScoreTable, whole: Table, per_run: pl.DataFrame, page: Path) -> str:
    """A row per run, links to its log relative to the folder of `page`; also of runs that the numbers leave out."""
    scores = final_scores(whole.evaluations())
    cost = {row["directory"]: row for row in per_run.iter_rows(named=True)}
    methods = dict(score_table.runs.select("directory", "method").iter_rows())
    rows = []
    for run in whole.runs.iter_rows(named=True):
        directory = run["directory"]
        log, own_cost = Path(directory) / "log.txt", cost.get(directory, {})
        score = scores.get(directory)
        rows.append([
            Cell(run["run_id"], link=_link(log, page) if log.exists() else None),
            Cell(methods.get(directory, "left out")),
            Cell(str(run.get("game") or ONE_TASK)),
            Cell(str(run.get("seed", "–")), run.get("seed")),
            Cell(run["state"]),
            Cell("–" if score is None else f"{score:,.1f}", "" if score is None else score),
            Cell(f"{run['updates']:,}", run["updates"]),
            _optional(own_cost.get("updates_per_s"), ".1f"),
            _optional(own_cost.get("hours"), ".2f"),
            _optional(None if own_cost.get("peak_memory_mb") is None else own_cost["peak_memory_mb"] / 1000, ".2f"),
        ])  # fmt: skip
    heads = [
        "run",
        "method",
        "game",
        "seed",
        "state",
        f"final {score_table.score.word}",
        "gradient steps",
        "updates/s",
        "hours",
        "peak GB",
    ]
    return table(heads, rows, words=3, identifier="runs", noun="runs")


def settings(score_table: ScoreTable, whole: Table) -> str:
    """Every setting that varies, with its values and the methods that have each."""
    together = whole.runs.join(score_table.runs.select("directory", "method"), on="directory")
    rows = []
    for name in (*whole.axes, *whole.settings):
        if name in ("game", "seed") or together[name].n_unique() < 2:
            continue
        by_value = together.group_by(name, maintain_order=True).agg(pl.col("method").unique(maintain_order=True))
        cases = [f"{value}: {', '.join(methods)}" for value, methods in by_value.iter_rows()]
        more = f" … and {len(cases) - CASES} more values" if len(cases) > CASES else ""
        rows.append([Cell(name), Cell("; ".join(cases[:CASES]) + more)])
    if not rows:
        return "<p>The runs differ in nothing but game and seed.</p>"
    return table(["setting", "value: methods that have it"], rows, words=2)


def costs(score_table: ScoreTable, per_run: pl.DataFrame) -> str:
    """What each method cost, all its runs together."""
    heads = ["method", "runs", "gradient steps", "hours", "GPU-hours", "updates/s (median)", "peak memory (GB)"]
    rows = [
        [
            Cell(row["method"]),
            Cell(str(row["runs"]), row["runs"]),
            Cell(f"{row['gradient_steps']:,}", row["gradient_steps"]),
            _optional(row["hours"], ",.1f"),
            _optional(row["gpu_hours"], ",.1f"),
            _optional(row["updates_per_s"], ".1f"),
            _optional(row["peak_memory_gb"], ".2f"),
        ]
        for row in per_method(score_table.runs, per_run).iter_rows(named=True)
    ]
    note = "Hours are wall clock, summed over runs; GPU-hours those of runs on a GPU, one that is shared counted whole."
    return f"{table(heads, rows)}\n<p class='soft'>{note}</p>"


def progress(whole: Table) -> str:
    """A row per run: its state and how far it is."""
    rows = [
        [
            Cell(run["run_id"]),
            Cell(run["state"]),
            Cell(f"{run['done'] / max(1, run['planned']):.0%}", run["done"] / max(1, run["planned"])),
            Cell(f"{run['done']:,} of {run['planned']:,} {run['unit']}", run["done"]),
        ]
        for run in whole.runs.iter_rows(named=True)
    ]
    return table(["run", "state", "done", "length"], rows, words=2, identifier="progress-runs", noun="runs")


def states(whole: Table) -> str:
    """How many runs there are, and in which states."""
    counts: Mapping[str, Any] = dict(whole.runs["state"].value_counts(sort=True).iter_rows())
    return f"{whole.runs.height} runs ({', '.join(f'{count} {state}' for state, count in counts.items())})"


def facts(score_table: ScoreTable, whole: Table) -> str:
    """One sentence: how many runs of what, from which code."""
    code = sorted(set(whole.runs["code"]))
    versions = sorted({version or "unknown" for version in whole.runs["versions"]})
    return (
        f"{states(whole)} of {games_text(score_table.games)}, {score_table.suite}, "
        f"scale {score_table.scale}; code {', '.join(code)}; {'; '.join(versions)}."
    )


def _estimate(estimate: Estimate, *, signed: bool = False) -> Cell:
    sign = "+" if signed and estimate.value > 0 else ""
    if estimate.low is None or estimate.high is None:
        return Cell(f"{sign}{number(estimate.value)}", estimate.value)
    return Cell(f"{sign}{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]", estimate.value)


def _optional(value: float | None, form: str) -> Cell:
    return Cell("–", "") if value is None else Cell(format(value, form), value)


def _link(target: Path, page: Path) -> str:
    """An address in which no name is taken for a scheme, a fragment or a query."""
    resolved, folder = target.resolve(), page.resolve().parent
    inside = resolved.is_relative_to(folder)
    return quote(resolved.relative_to(folder).as_posix()) if inside else resolved.as_uri()
