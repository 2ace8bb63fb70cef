"""Curves of metrics over a run, as numbers ready to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import polars as pl
from numpy.typing import NDArray

from redo_lab.analysis.aggregate import POINTS, over_time
from redo_lab.analysis.bootstrap import Resampling, Scores
from redo_lab.analysis.score_table import ENOUGH_SEEDS, ScoreTable
from redo_lab.config import nearest
from redo_lab.runs.names import DORMANT_TOTAL, tau_text, tau_value
from redo_lab.runs.table import Table

MOST_POINTS = 200
LISTED = 3
TAU = "_tau"
SCORE = "score"
CELL = ("method", "game", "seed")


@dataclass(frozen=True)
class Curve:
    """One method over x. band: bounds of the interval, None with too few seeds; then seeds holds a line per seed."""

    x: NDArray[np.int64]
    centre: Scores
    band: tuple[Scores, Scores] | None
    seeds: Scores | None


@dataclass(frozen=True)
class CurveSpec:
    """metric over clock (env_steps or updates), statistic (iqm or mean) over runs; normalised: as scores, else raw.

    Values are averaged over `smooth` points around each (at the ends over those there are); 1: as they are.
    """

    metric: str
    clock: str
    statistic: str
    normalised: bool
    smooth: int = 1


def expanded(patterns: Sequence[str], score_table: ScoreTable, table: Table) -> list[str]:
    """The metrics that match `patterns` (`dormant/*_tau*`) and that every run of the score table has.

    A pattern that ends with `_tau*` takes the largest τ; SCORE stands for what the runs are scored by. ValueError for
    one that nothing matches.
    """
    patterns = [score_table.score.metric if pattern == SCORE else pattern for pattern in patterns]
    runs = table.where(pl.col("directory").is_in(score_table.runs["directory"].to_list()))
    beginnings = tuple(pattern.partition("*")[0] for pattern in patterns)
    logged = runs.logged()
    candidates = [name for name in logged["name"].unique() if name.startswith(beginnings)]
    logged = logged.filter(pl.col("name").is_in(candidates))
    per_name = logged.group_by("name", maintain_order=True).agg(pl.col("directory").n_unique())
    names = [name for name, count in per_name.iter_rows() if count == score_table.runs.height]
    selection: dict[str, None] = {}
    for pattern in patterns:
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if not matching:
            raise ValueError(
                f"no metric '{pattern}' that every one of these runs has logged{_hint(pattern, logged, runs)}"
            )
        selection |= dict.fromkeys(_of_largest_tau(matching) if pattern.endswith(f"{TAU}*") else matching)
    return list(selection)


def dormancy_threshold(score_table: ScoreTable, table: Table) -> float | None:
    """The largest τ whose total dormant % every run of the score table logged."""
    try:
        (name,) = expanded([f"{DORMANT_TOTAL}*"], score_table, table)
    except ValueError:
        return None
    return tau_value(name.removeprefix(DORMANT_TOTAL))


def last_values(score_table: ScoreTable, table: Table, metric: str, last_share: float = 0.0) -> pl.DataFrame:
    """method, game, seed, value: of each run the mean of the last share of its values, at least of the last one."""
    rows = rows_of(score_table, table, [metric]).sort("directory", "updates", maintain_order=True)
    count = pl.max_horizontal((pl.len() * last_share).floor().cast(pl.Int64), 1)
    return rows.group_by(*CELL, maintain_order=True).agg(pl.col("value").tail(count).mean())


def final_dormancy(score_table: ScoreTable, table: Table, threshold: float) -> pl.DataFrame:
    """method, game, seed, value: the last total dormant % (0 to 100) at `threshold` of each run."""
    return last_values(score_table, table, DORMANT_TOTAL + tau_text(threshold))


def rows_of(score_table: ScoreTable, table: Table, metrics: Sequence[str]) -> pl.DataFrame:
    """The values of `metrics` of the runs of the score table, with their `method`, `game` and `seed`."""
    return _placed(score_table, table.values(metrics))


def rows_one_by_one(
    score_table: ScoreTable, table: Table, metrics: Sequence[str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each of `metrics` with its `rows_of`, in turn, as those of many runs take much memory."""
    return ((name, _placed(score_table, values)) for name, values in table.one_by_one(metrics))


def _placed(score_table: ScoreTable, values: pl.DataFrame) -> pl.DataFrame:
    return values.join(score_table.runs.select("directory", *CELL), on="directory", maintain_order="left")


def curves(
    score_table: ScoreTable, rows: pl.DataFrame, spec: CurveSpec, games: Sequence[str], resampling: Resampling
) -> dict[str, Curve]:
    """A curve for each method whose runs of `games` share points; `rows` as `rows_of` gives them."""
    of_metric = rows.filter((pl.col("name") == spec.metric) & pl.col("game").is_in(list(games)))
    by_method = {}
    for method in score_table.methods:
        of_method = of_metric.filter(
            (pl.col("method") == method) & pl.col("seed").is_in(list(score_table.seeds[method]))
        )
        x, values = _cube(of_method, spec.clock, len(score_table.seeds[method]), len(games))
        if len(x):
            if spec.normalised:
                scales = np.array([score_table.scales[game] for game in games])
                values = (values - scales[:, :1]) / scales[:, 1:]
            by_method[method] = _curve(x, smoothed(values, spec.smooth), spec.statistic, resampling, method)
    return by_method


def smoothed(values: Scores, points: int) -> Scores:
    """The mean over `points` around each along the last axis; at the ends over as many as there are."""
    if points <= 1:
        return values
    before, after = (points - 1) // 2, points // 2
    size = values.shape[-1]
    cumulated = np.concatenate([np.zeros_like(values[..., :1]), np.cumsum(values, axis=-1)], axis=-1)
    low, high = np.maximum(np.arange(size) - before, 0), np.minimum(np.arange(size) + after + 1, size)
    mean: Scores = (cumulated[..., high] - cumulated[..., low]) / (high - low)
    return mean


def _hint(pattern: str, logged: pl.DataFrame, runs: Table) -> str:
    """Which runs lack what most of them have, else the nearest name."""
    partly = logged.filter(pl.col("name").is_in([name for name in set(logged["name"]) if fnmatchcase(name, pattern)]))
    if partly.is_empty():
        return f": {nearest(pattern, logged['name'].unique())}" if logged.height else ""
    name = partly.group_by("name").agg(pl.col("directory").n_unique()).sort("directory", "name")["name"][-1]
    having = partly.filter(pl.col("name") == name)["directory"].unique().to_list()
    lacking = runs.runs.filter(~pl.col("directory").is_in(having))["run_id"].to_list()
    more = f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
    return f": {len(lacking)} of {runs.runs.height} lack {name} ({', '.join(lacking[:LISTED])}{more})"


def _of_largest_tau(names: Sequence[str]) -> list[str]:
    largest = max(tau_value(name.rpartition(TAU)[2]) for name in names)
    return [name for name in names if tau_value(name.rpartition(TAU)[2]) == largest]


def _cube(rows: pl.DataFrame, clock: str, seeds: int, games: int) -> tuple[NDArray[np.int64], Scores]:
    """The points of `clock` that all runs of a method have, thinned evenly, and the values [seeds, games, points]."""
    latest = rows.unique(["seed", "game", clock], keep="last", maintain_order=True)
    shared = latest.filter(pl.len().over(clock) == seeds * games).sort("seed", "game", clock)
    x = shared[clock].unique().sort().to_numpy()
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(np.int64))
    values: Scores = shared["value"].to_numpy().reshape(seeds, games, -1)
    return x[places], values[..., places]


def _curve(x: NDArray[np.int64], values: Scores, statistic: str, resampling: Resampling, method: str) -> Curve:
    if len(values) < ENOUGH_SEEDS:
        centre = POINTS[statistic]
        single = np.stack([centre(values[seed : seed + 1]) for seed in range(len(values))])
        return Curve(x, centre(values), None, single)
    line = over_time(values, statistic, resampling, method)
    assert line.low is not None
    assert line.high is not None
    return Curve(x, line.value, (line.low, line.high), None)
