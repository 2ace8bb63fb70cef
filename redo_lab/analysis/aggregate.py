"""Aggregate metrics of a score matrix with stratified bootstrap confidence intervals (Agarwal et al., 2021).

A score matrix is runs × games: one row per seed, one column per game. The strata of the bootstrap are the games. Point
estimates are rliable's own functions; `bootstrap` resamples, and `intervals` makes bounds of the resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from rliable import metrics

from redo_lab.analysis.bootstrap import TRIMMED, Draws, Resamples, Resampling, Scores
from redo_lab.analysis.intervals import bounds

METRICS: dict[str, Callable[[Scores], float]] = {
    "iqm": metrics.aggregate_iqm,
    "median": metrics.aggregate_median,
    "mean": metrics.aggregate_mean,
    "optimality_gap": metrics.aggregate_optimality_gap,
}
"""Median and mean are over the games' means; IQM and optimality gap (below a score of 1) over all runs × games."""


@dataclass(frozen=True)
class Estimate:
    """A point estimate and the bounds of its interval; None for both where one run a game allows none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Line:
    """Estimates at points in order; low, high: None where one run a game allows no interval."""

    value: Scores
    low: Scores | None
    high: Scores | None


def estimate(scores: Scores, names: Sequence[str], resampling: Resampling, method: str = "") -> dict[str, Estimate]:
    """The metrics `names` of a seeds × games matrix of `method`; depends on nothing but the arguments.

    All metrics share their resamples. With one seed there is nothing to resample and no interval is given.
    """
    assert scores.ndim == 2
    assert scores.dtype == np.float64
    matrix = _Matrix(scores.tobytes(), scores.shape)
    return {name: _of_one_metric(name, matrix, resampling, method) for name in names}


def difference(first: tuple[str, Scores], second: tuple[str, Scores], resampling: Resampling) -> Estimate:
    """IQM of the first (name, seeds × games) minus that of the second, over the same games.

    Resampled independently, or by the same seeds if `resampling` is paired (ValueError: not as many of both).
    """
    (name, scores), (other_name, other) = first, second
    value = METRICS["iqm"](scores) - METRICS["iqm"](other)
    if resampling.paired:
        if scores.shape != other.shape:
            raise ValueError(f"{name} and {other_name} can't be paired: {len(scores)} and {len(other)} seeds")
        other_name = name
    if min(len(scores), len(other)) == 1:
        return Estimate(float(value), None, None)
    mine, theirs = _resamples(scores, resampling, name), _resamples(other, resampling, other_name)
    return _estimate(value, mine.iqm(scores) - theirs.iqm(other), resampling, (mine, theirs))


def improvement(first: tuple[str, Scores], second: tuple[str, Scores], resampling: Resampling) -> Estimate:
    """The probability that a run of the first beats one of the second at the same game, averaged over games."""
    (name, scores), (other_name, other) = first, second
    value = metrics.probability_of_improvement(scores, other)
    if min(len(scores), len(other)) == 1:
        return Estimate(float(value), None, None)
    mine, theirs = _resamples(scores, resampling, name), _resamples(other, resampling, other_name)
    draws = mine.improvement(scores, other, theirs)
    return _estimate(value, draws, resampling, (mine, theirs), shares=True)


def profile(scores: Scores, thresholds: Scores, resampling: Resampling, method: str = "") -> Line:
    """The share of runs of a seeds × games matrix whose score is above each of `thresholds`."""
    points = (scores[..., None] > thresholds).mean(axis=(0, 1))
    if len(scores) == 1:
        return Line(points, None, None)
    resamples = _resamples(scores, resampling, method)
    draws = resamples.profile(scores, list(thresholds))
    return Line(points, *bounds(points, draws, resampling, [resamples], shares=True))


def over_time(scores: Scores, name: str, resampling: Resampling, method: str = "") -> Line:
    """The metric `name` (iqm or mean) at every point of a seeds × games × points array; points share resamples."""
    assert scores.ndim == 3
    points = POINTS[name](scores)
    if len(scores) == 1:
        return Line(points, None, None)
    resamples = _resamples(scores, resampling, method)
    intervals = [
        bounds(np.asarray(point), getattr(resamples, name)(scores[..., at]), resampling, [resamples])
        for at, point in enumerate(points)
    ]
    low, high = np.array(intervals).T.reshape(2, -1)
    return Line(points, low, high)


def iqm_over_time(scores: Scores) -> Scores:
    """The interquartile mean over seeds and games at every point of a seeds × games × points array."""
    pooled = np.sort(scores.reshape(-1, scores.shape[-1]), axis=0)
    cut = int(TRIMMED * len(pooled))
    middle: Scores = pooled[cut : len(pooled) - cut].mean(axis=0)
    return middle


def mean_over_time(scores: Scores) -> Scores:
    """The mean over seeds and games at every point of a seeds × games × points array."""
    mean: Scores = scores.mean(axis=(0, 1))
    return mean


POINTS: dict[str, Callable[[Scores], Scores]] = {"iqm": iqm_over_time, "mean": mean_over_time}


class _Matrix(NamedTuple):
    """Scores as a key of what was computed from them."""

    content: bytes
    shape: tuple[int, ...]


@lru_cache(maxsize=4096)
def _of_one_metric(name: str, matrix: _Matrix, resampling: Resampling, method: str) -> Estimate:
    """Cached, as several figures and tables need the same estimates."""
    scores = np.frombuffer(matrix.content).reshape(matrix.shape)
    value = METRICS[name](scores)
    if len(scores) == 1:
        return Estimate(float(value), None, None)
    resamples = _resamples(scores, resampling, method)
    return _estimate(value, getattr(resamples, name)(scores), resampling, (resamples,))


def _resamples(scores: Scores, resampling: Resampling, method: str) -> Resamples:
    seeds, games, *_ = scores.shape
    return _cached_resamples(seeds, games, resampling, method)


@lru_cache(maxsize=2)
def _cached_resamples(seeds: int, games: int, resampling: Resampling, method: str) -> Resamples:
    """Kept for the next metric of the same method, or of the same two; more of them would take too much memory."""
    return resampling.resamples(seeds, games, method)


def _estimate(
    value: float, draws: Draws, resampling: Resampling, resamples: Sequence[Resamples], *, shares: bool = False
) -> Estimate:
    low, high = bounds(np.asarray(value, dtype=float), draws, resampling, resamples, shares=shares)
    return Estimate(float(value), float(low), float(high))
