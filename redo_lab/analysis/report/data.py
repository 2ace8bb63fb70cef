"""The curves of the report, thinned and rounded, as they are handed to its script."""

from __future__ import annotations

from typing import Any

import polars as pl

from redo_lab.analysis.lines import CELL
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
"""What is offered, in this order: names or beginnings of names."""
MOST_METRICS = 14
CURVE = ("name", "game", "method", "seed")


def _printable_names(rows: pl.DataFrame) -> pl.Series:
    names = {name: printable(name) for name in rows["name"].unique()}
    return rows["name"] if all(name == shown for name, shown in names.items()) else rows["name"].replace(names)


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each curve as many points, evenly, as keep the page small; its first and last among them."""
    points = max(LEAST_POINTS, min(POINTS, MOST_POINTS // max(1, rows.select(CURVE).n_unique())))
    at, last = pl.int_range(pl.len()).over(CURVE), pl.len().over(CURVE) - 1
    place = at * (points - 1) // last
    kept = (last < points) | (at == 0) | (place != (at - 1) * (points - 1) // last)
    return rows.filter(kept)


def curve_data(score_table: ScoreTable, table: Table) -> dict[str, Any]:
    """{methods, games, metrics, looks, curves: {metric: {game: {method: {seed: [env_steps, updates, values]}}}}}."""
    cells = score_table.runs.select("directory", *CELL)
    rows = table.values(prefixes=FIRST).join(cells, on="directory", maintain_order="left")
    rows = rows.with_columns(_printable_names(rows))
    present = set(rows["name"].unique())
    ordered = [name for beginning in FIRST for name in sorted(present) if name.startswith(beginning)]
    metrics = list(dict.fromkeys(ordered))[:MOST_METRICS]
    curves: dict[str, Any] = {metric: {game: {} for game in score_table.games} for metric in metrics}
    chosen = rows.filter(pl.col("name").is_in(metrics) & pl.col("value").is_finite())
    for (name, game, method, seed), thin in _thinned(chosen).group_by(CURVE, maintain_order=True):
        values = [float(f"{value:.{DIGITS}g}") for value in thin["value"]]
        by_method = curves[name][game].setdefault(method, {})
        by_method[str(seed)] = [thin["env_steps"].to_list(), thin["updates"].to_list(), values]
    look = looks(score_table.methods)
    return {
        "methods": list(score_table.methods),
        "games": list(score_table.games),
        "metrics": metrics,
        "colours": {method: look[method].colour for method in score_table.methods},
        "curves": curves,
    }
