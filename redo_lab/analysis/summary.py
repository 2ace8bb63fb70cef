"""The aggregate of a score table, one row per method, as a terminal table and as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich import box
from rich.table import Table as Printed
from rich.text import Text

from redo_lab.analysis.aggregate import Estimate, estimate
from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.lines import dormancy_threshold, final_dormancy
from redo_lab.analysis.normalise import Normalisation
from redo_lab.analysis.output import whole_file, without_formulas
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.analysis.sheet import current
from redo_lab.analysis.typeset import Content
from redo_lab.runs.reading import printable
from redo_lab.runs.table import Table

MOST_GAMES = 6
TITLES = {"iqm": "IQM", "median": "median", "mean": "mean", "optimality_gap": "optimality gap"}


@dataclass(frozen=True)
class Summary:
    """estimates: method → metric → estimate. dormancy: method → dormant % at τ = threshold; None if none was logged."""

    score_table: ScoreTable
    estimates: dict[str, dict[str, Estimate]]
    metrics: tuple[str, ...]
    threshold: float | None
    dormancy: dict[str, float]
    resampling: Resampling


def summary_of(score_table: ScoreTable, table: Table, metrics: Sequence[str], resampling: Resampling) -> Summary:
    """The metrics of every method; the optimality gap only of normalised scores, as it is measured to a score of 1."""
    threshold = dormancy_threshold(score_table, table)
    dormancy = _dormancy(score_table, table, threshold) if threshold is not None else {}
    names = tuple(m for m in metrics if m != "optimality_gap" or score_table.normalisation is not Normalisation.NONE)
    needed = dict.fromkeys(("iqm", *names))
    estimates = {
        method: estimate(scores, list(needed), resampling, method) for method, scores in score_table.scores.items()
    }
    return Summary(score_table, estimates, names, threshold, dormancy, resampling)


def _dormancy(score_table: ScoreTable, table: Table, threshold: float) -> dict[str, float]:
    """Method → mean over its runs of the dormant % at the end."""
    last = final_dormancy(score_table, table, threshold)
    return dict(last.group_by("method").agg(pl.col("value").mean()).iter_rows())


def as_table(summary: Summary, narrow: bool) -> Printed:
    """The summary for a terminal; a `narrow` one has its intervals below the values."""
    score_table = summary.score_table
    level = summary.resampling.confidence
    games = (
        ", ".join(map(current().game, score_table.games))
        if len(score_table.games) <= MOST_GAMES
        else f"{len(score_table.games)} games"
    )
    title = f"{score_table.label}, {level:.0%} intervals ({score_table.suite}: {games})"
    table = Printed(
        title=Text(printable(title), style="italic"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("method", overflow="fold")
    titles = TITLES | ({"optimality_gap": "gap"} if narrow else {})
    for name in ("games", "seeds", *(titles[metric] for metric in summary.metrics)):
        table.add_column(name, justify="right")
    if summary.threshold is not None:
        table.add_column(f"dormant %{_break(narrow)}(τ = {summary.threshold:g})", justify="right")
    for method in score_table.methods:
        values = [Text(estimate_text(summary.estimates[method][metric], _break(narrow))) for metric in summary.metrics]
        dormant = [f"{summary.dormancy[method]:.1f}"] if summary.threshold is not None else []
        table.add_row(
            Text(printable(method)), str(len(score_table.games)), str(len(score_table.seeds[method])), *values, *dormant
        )
    return table


def estimate_text(estimate: Estimate, between: str = " ") -> str:
    """ "0.42 [0.31, 0.55]", or the value alone where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return number(estimate.value)
    return f"{number(estimate.value)}{between}[{number(estimate.low)}, {number(estimate.high)}]"


def words_of(summary: Summary, *, bold: bool = False) -> Content:
    """The summary for LaTeX and Markdown; `bold`: the best value of each column stands out, whatever its interval."""
    score_table, level = summary.score_table, summary.resampling.confidence
    methods, games = score_table.methods, ", ".join(map(current().game, score_table.games))
    header = ["method", "games", "seeds", *(TITLES[metric] for metric in summary.metrics)]
    rows = []
    for method in methods:
        values = [estimate_text(summary.estimates[method][metric]) for metric in summary.metrics]
        rows.append([printable(method), str(len(score_table.games)), str(len(score_table.seeds[method])), *values])
    if summary.threshold is not None:
        header.append(f"dormant % (τ = {summary.threshold:g})")
        rows = [[*row, f"{summary.dormancy[method]:.1f}"] for row, method in zip(rows, methods, strict=True)]
    sample = f"{score_table.label}, {level:.0%} intervals in brackets ({score_table.suite}: {games})"
    sentences = (sample, *score_table.warnings(), *score_table.missing())
    notes = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences]
    if bold and len(methods) > 1:
        notes.append("Bold: the best value of a column; its interval may hold the others.")
        return Content(header, rows, set(_best(summary)), notes)
    return Content(header, rows, notes=notes)


def _best(summary: Summary) -> Iterator[tuple[int, int]]:
    """The row and the column of the best value of each metric, and of those that equal it."""
    for column, metric in enumerate(summary.metrics, start=3):
        values = [summary.estimates[method][metric].value for method in summary.score_table.methods]
        higher = summary.score_table.score.higher_is_better and metric != "optimality_gap"
        best = max(values) if higher else min(values)
        yield from ((row, column) for row, value in enumerate(values) if value == best)


def write_texts(summary: Summary, folder: Path, *, bold: bool = False) -> list[Path]:
    """aggregate.tex and aggregate.md in `folder` are written: the table for a paper and for a page."""
    content = words_of(summary, bold=bold)
    texts = {folder / "aggregate.tex": content.latex(), folder / "aggregate.md": content.markdown()}
    for path, text in texts.items():
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return list(texts)


def write_csv(summary: Summary, path: Path) -> None:
    """One row per method, in full precision; a bound that does not exist is empty."""
    with whole_file(path) as temporary:
        without_formulas(pl.DataFrame(rows_of(summary), infer_schema_length=None)).write_csv(temporary)


def rows_of(summary: Summary) -> list[dict[str, Any]]:
    """One row per method, in full precision; a bound that does not exist is None."""
    return [_row(summary, method) for method in summary.score_table.methods]


def _row(summary: Summary, method: str) -> dict[str, Any]:
    score_table = summary.score_table
    row: dict[str, Any] = {
        "method": method,
        "suite": score_table.suite,
        "scale": score_table.scale,
        "score": score_table.label,
        "games": " ".join(score_table.games),
        "seeds": " ".join(map(str, score_table.seeds[method])),
    }
    for metric in summary.metrics:
        estimate = summary.estimates[method][metric]
        row |= {metric: estimate.value, f"{metric}_low": estimate.low, f"{metric}_high": estimate.high}
    row |= {"dormant_percent": summary.dormancy.get(method), "dormant_threshold": summary.threshold}
    row |= {"confidence": summary.resampling.confidence, "repetitions": summary.resampling.repetitions}
    row |= {"interval": summary.resampling.method, "games_resampled": summary.resampling.tasks}
    row |= {"bootstrap_seed": summary.resampling.seed, "cells_left_out": len(score_table.left_out)}
    return row


def number(value: float) -> str:
    """`value` with the digits worth reading."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def cell_text(mean: float, error: float | None) -> str:
    """`4472 ± 648`: the error with two digits, the mean as far as these go."""
    if error is None or math.isnan(error):
        return f"{mean:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 1
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def _break(narrow: bool) -> str:
    return "\n" if narrow else " "
