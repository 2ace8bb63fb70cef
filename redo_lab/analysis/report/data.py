"""The curves of the report, thinned and rounded, in the form that its script reads."""

from __future__ import annotations

from typing import Any

import polars as pl

from redo_lab.analysis.lines import rows_of
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
AT_ONCE = 3
"""Metrics of all runs in memory together."""
CURVE = ("name", "game", "method", "seed")


def _thinned(rows: pl.DataFrame, points: int) -> pl.DataFrame:
    """At most `points` of each curve, evenly, its first and last among them."""
    at, last = pl.int_range(pl.len()).over(CURVE), pl.len().over(CURVE) - 1
    selection = (at == 0) | (at * (points - 1) // last != (at - 1) * (points - 1) // last)
    return rows.filter((last < points) | selection)


def curve_data(score_table: ScoreTable, table: Table) -> dict[str, Any]:
    """{methods, games, metrics, looks, curves: {metric: {game: {method: {seed: [env_steps, updates, values]}}}}}."""
    logged = set(table.logged()["name"].unique())
    ordered = [name for beginning in FIRST for name in sorted(logged) if name.startswith(beginning)]
    names = list(dict.fromkeys(ordered))[:MOST_METRICS]
    points = max(LEAST_POINTS, min(POINTS, MOST_POINTS // max(1, len(names) * score_table.runs.height)))
    curves: dict[str, Any] = {printable(name): {game: {} for game in score_table.games} for name in names}
    for at in range(0, len(names), AT_ONCE):
        rows = rows_of(score_table, table, names[at : at + AT_ONCE]).filter(pl.col("value").is_finite())
        for (name, game, method, seed), thin in _thinned(rows, points).group_by(CURVE, maintain_order=True):
            values = [float(f"{value:.{DIGITS}g}") for value in thin["value"]]
            by_method = curves[printable(str(name))][game].setdefault(method, {})
            by_method[str(seed)] = [thin["env_steps"].to_list(), thin["updates"].to_list(), values]
    look = looks(score_table.methods)
    return {
        "methods": list(score_table.methods),
        "games": list(score_table.games),
        "metrics": list(curves),
        "colours": {method: look[method].colour for method in score_table.methods},
        "curves": curves,
    }
