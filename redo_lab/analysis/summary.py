"""The aggregate of a study, one row per method, as a terminal table and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table as Printed

from redo_lab.analysis.aggregate import Estimate, estimate
from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.lines import dormancy_threshold, final_dormancy
from redo_lab.analysis.normalise import Normalisation
from redo_lab.analysis.output import whole_file
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.runs.table import Table

MOST_GAMES = 6
METRICS = ("iqm", "median", "mean", "optimality_gap")
TITLES = {"iqm": "IQM", "median": "median", "mean": "mean", "optimality_gap": "optimality gap"}


@dataclass(frozen=True)
class Summary:
    """estimates: method → metric → estimate. dormancy: method → dormant % at τ = threshold; None if none was logged."""

    study: ScoreTable
    estimates: dict[str, dict[str, Estimate]]
    metrics: tuple[str, ...]
    threshold: float | None
    dormancy: dict[str, float]
    resampling: Resampling


def summary_of(study: ScoreTable, table: Table, metrics: Sequence[str], resampling: Resampling) -> Summary:
    """The metrics of every method; the optimality gap only of normalised scores, as it is measured to a score of 1."""
    threshold = dormancy_threshold(study, table)
    dormancy = final_dormancy(study, table, threshold) if threshold is not None else {}
    shown = tuple(m for m in metrics if m != "optimality_gap" or study.normalisation is not Normalisation.NONE)
    wanted = dict.fromkeys(("iqm", *shown))
    estimates = {method: estimate(scores, list(wanted), resampling, method) for method, scores in study.scores.items()}
    return Summary(study, estimates, shown, threshold, dormancy, resampling)


def as_table(summary: Summary, narrow: bool) -> Printed:
    """The summary for a terminal; a `narrow` one has its intervals below the values."""
    study = summary.study
    level = summary.resampling.confidence
    games = ", ".join(study.games) if len(study.games) <= MOST_GAMES else f"{len(study.games)} games"
    title = f"{study.normalisation.label}, {level:.0%} intervals ({study.suite}: {games})"
    table = Printed(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("method", overflow="fold")
    titles = TITLES | ({"optimality_gap": "gap"} if narrow else {})
    for name in ("games", "seeds", *(titles[metric] for metric in summary.metrics)):
        table.add_column(name, justify="right")
    if summary.threshold is not None:
        table.add_column(f"dormant %{_break(narrow)}(τ = {summary.threshold:g})", justify="right")
    for method in study.methods:
        values = [shown(summary.estimates[method][metric], narrow) for metric in summary.metrics]
        dormant = [f"{summary.dormancy[method]:.1f}"] if summary.threshold is not None else []
        table.add_row(method, str(len(study.games)), str(len(study.seeds[method])), *values, *dormant)
    return table


def shown(estimate: Estimate, narrow: bool) -> str:
    """ "0.42 [0.31, 0.55]", or the value alone where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return number(estimate.value)
    return f"{number(estimate.value)}{_break(narrow)}\\[{number(estimate.low)}, {number(estimate.high)}]"


def write_csv(summary: Summary, path: Path) -> None:
    """One row per method, in full precision; a bound that does not exist is empty."""
    rows = [_csv_row(summary, method) for method in summary.study.methods]
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _csv_row(summary: Summary, method: str) -> dict[str, Any]:
    study = summary.study
    row: dict[str, Any] = {
        "method": method,
        "suite": study.suite,
        "scale": study.scale,
        "score": study.normalisation.label,
        "games": " ".join(study.games),
        "seeds": " ".join(map(str, study.seeds[method])),
    }
    for metric in summary.metrics:
        found = summary.estimates[method][metric]
        row |= {metric: found.value, f"{metric}_low": found.low, f"{metric}_high": found.high}
    row |= {"dormant_percent": summary.dormancy.get(method), "dormant_threshold": summary.threshold}
    row |= {"confidence": summary.resampling.confidence, "repetitions": summary.resampling.repetitions}
    row |= {"interval": summary.resampling.method, "games_resampled": summary.resampling.tasks}
    row |= {"bootstrap_seed": summary.resampling.seed, "cells_left_out": len(study.left_out)}
    return row


def number(value: float) -> str:
    """`value` with the digits worth reading."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _break(narrow: bool) -> str:
    return "\n" if narrow else " "
