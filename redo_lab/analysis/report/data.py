"""The curves of the report, thinned and rounded, in the form that its script reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from redo_lab.analysis.lines import rows_one_by_one
from redo_lab.analysis.looks import looks
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.runs.reading import printable
from redo_lab.runs.table import Table

POINTS, LEAST_POINTS = 60, 12
"""Of a run's curve: the most, and the least where there are so many curves that all have MOST_POINTS together."""
MOST_POINTS = 600_000
DIGITS = 5
FIRST = (EVALUATION_RETURN, "dormant/total_", "overlap/total_historical_", "rank/", "churn/", "norms/total_", "values/",
         "train/", "training/return")  # fmt: skip
"""The metrics to choose from, in this order: names or beginnings of names."""
MOST_METRICS = 14
CURVE = ("name", "game", "method", "seed")


def _thinned(rows: pl.DataFrame, points: int) -> pl.DataFrame:
    """At most `points` of each curve, evenly, its first and last among them."""
    at, last = pl.int_range(pl.len()).over(CURVE), pl.len().over(CURVE) - 1
    selection = (at == 0) | (at * (points - 1) // last != (at - 1) * (points - 1) // last)
    return rows.filter((last < points) | selection)


def metrics_of(table: Table) -> list[str]:
    """The metrics to choose from."""
    logged = set(table.logged()["name"].unique())
    ordered = [name for beginning in FIRST for name in sorted(logged) if name.startswith(beginning)]
    return list(dict.fromkeys(ordered))[:MOST_METRICS]


def curve_data(score_table: ScoreTable, table: Table, metrics: Sequence[str]) -> Iterator[str]:
    """JSON in pieces, as together they take much memory.

    {methods, games, metrics, colours, curves: {metric: {game: {method: {seed: [env_steps, updates, values]}}}}}.
    """
    look = looks(score_table.methods)
    facts = {
        "methods": list(score_table.methods),
        "games": list(score_table.games),
        "metrics": [printable(name) for name in metrics],
        "colours": {method: look[method].colour for method in score_table.methods},
    }
    yield f'{_json(facts).removesuffix("}")},"curves":{{'
    points = max(LEAST_POINTS, min(POINTS, MOST_POINTS // max(1, len(metrics) * score_table.runs.height)))
    for at, (name, rows) in enumerate(rows_one_by_one(score_table, table, metrics)):
        yield f"{',' if at else ''}{_json(printable(name))}:{_json(_curves(score_table, rows, points))}"
    yield "}}"


def _curves(score_table: ScoreTable, rows: pl.DataFrame, points: int) -> dict[str, Any]:
    curves: dict[str, Any] = {game: {} for game in score_table.games}
    finite = rows.filter(pl.col("value").is_finite())
    for (_, game, method, seed), thin in _thinned(finite, points).group_by(CURVE, maintain_order=True):
        values = [float(f"{value:.{DIGITS}g}") for value in thin["value"]]
        curves[game].setdefault(method, {})[str(seed)] = [
            thin["env_steps"].to_list(),
            thin["updates"].to_list(),
            values,
        ]
    return curves


def _json(value: Any) -> str:
    """Without < nothing in a script's text can end it or open a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
