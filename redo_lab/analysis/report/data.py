"""The curves of the report, thinned and rounded, in the form that its script reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from redo_lab.analysis.lines import CELL
from redo_lab.analysis.looks import looks
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.runs.reading import printable
from redo_lab.runs.table import Table

POINTS, LEAST_POINTS = 60, 12
"""Of a run's curve: the most, and the least where there are so many curves that all have MOST_POINTS together."""
MOST_POINTS = 600_000
DIGITS = 5
NEXT = ("dormant/total_", "overlap/total_historical_", "rank/", "churn/", "norms/total_", "values/",
         "train/", "training/return")  # fmt: skip
"""The metrics to choose from after those that score the runs, in this order: names or beginnings of names."""
MOST_METRICS = 14


def _thinned(rows: pl.DataFrame, points: int) -> pl.DataFrame:
    """Of one metric at most `points` of each run, evenly, its first and last among them."""
    at, last = pl.int_range(pl.len()).over("directory"), pl.len().over("directory") - 1
    selection = (at == 0) | (at * (points - 1) // last != (at - 1) * (points - 1) // last)
    return rows.filter((last < points) | selection)


def metrics_of(table: Table) -> list[str]:
    """The metrics to choose from."""
    logged = set(table.logged()["name"].unique())
    first = table.runs["scored_by"].unique(maintain_order=True)
    ordered = [name for beginning in (*first, *NEXT) for name in sorted(logged) if name.startswith(beginning)]
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
    for at, (name, rows) in enumerate(table.one_by_one(metrics)):
        yield f"{',' if at else ''}{_json(printable(name))}:{_json(_curves(score_table, rows, points))}"
    yield "}}"


def _curves(score_table: ScoreTable, rows: pl.DataFrame, points: int) -> dict[str, Any]:
    curves: dict[str, Any] = {game: {} for game in score_table.games}
    places = {directory: cell for directory, *cell in score_table.runs.select("directory", *CELL).iter_rows()}
    drawn = rows.filter(pl.col("value").is_finite() & pl.col("directory").is_in(list(places)))
    for (directory,), thin in _thinned(drawn, points).group_by("directory", maintain_order=True):
        method, game, seed = places[directory]
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
