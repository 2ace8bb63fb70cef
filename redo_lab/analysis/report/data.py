"""The curves of the report, thinned and rounded, as they are handed to its script."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from redo_lab.analysis.lines import CELL
from redo_lab.analysis.looks import looks
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.runs.reading import printable
from redo_lab.runs.table import Table

POINTS = 60
DIGITS = 5
FIRST = (EVALUATION_RETURN, "dormant/total_", "overlap/total_historical_", "rank/", "churn/", "norms/total_", "values/",
         "train/", "training/return")  # fmt: skip
"""What is offered, in this order: names or beginnings of names."""
MOST_METRICS = 14


def _printable_names(rows: pl.DataFrame) -> pl.Series:
    names = {name: printable(name) for name in rows["name"].unique()}
    return rows["name"] if all(name == shown for name, shown in names.items()) else rows["name"].replace(names)


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
    grouped = chosen.group_by(["name", "game", "method", "seed"], maintain_order=True)
    for (name, game, method, seed), part in grouped:
        kept = np.unique(np.linspace(0, part.height - 1, min(part.height, POINTS)).astype(int))
        thin = part[kept]
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
