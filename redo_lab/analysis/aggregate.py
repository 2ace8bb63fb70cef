"""Aggregate metrics of a score matrix with stratified bootstrap confidence intervals (rliable; Agarwal et al., 2021).

A score matrix is runs × games: one row per seed, one column per game. The strata of the bootstrap are the games.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from rliable import library, metrics

Scores: TypeAlias = "NDArray[np.float64]"
CONFIDENCE = 0.95

METRICS: dict[str, Callable[[Scores], float]] = {
    "iqm": metrics.aggregate_iqm,
    "median": metrics.aggregate_median,
    "mean": metrics.aggregate_mean,
    "optimality_gap": metrics.aggregate_optimality_gap,
}
"""Median and mean are over the games' means; IQM and optimality gap (below a score of 1) over all runs × games."""


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: the same values give the same intervals."""

    repetitions: int
    seed: int

    def __post_init__(self) -> None:
        if self.repetitions < 1:
            raise ValueError(f"repetitions must be ≥ 1, got {self.repetitions}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"the bootstrap's seed must be in [0, 2**32), got {self.seed}")


@dataclass(frozen=True)
class Estimate:
    """A point estimate and the bounds of its 95 % interval; None for both where one run a game allows none."""

    value: float
    low: float | None
    high: float | None


def estimate(scores: Scores, names: Sequence[str], resampling: Resampling) -> dict[str, Estimate]:
    """The metrics `names` of a seeds × games matrix; depends on nothing but the arguments.

    All metrics share their resamples. With one seed there is nothing to resample and no interval is given.
    """
    assert scores.ndim == 2
    values, low, high = _intervals(scores, lambda drawn: np.array([METRICS[name](drawn) for name in names]), resampling)
    if low is None or high is None:
        return {name: Estimate(float(value), None, None) for name, value in zip(names, values, strict=True)}
    bounds = zip(names, values, low, high, strict=True)
    return {name: Estimate(float(value), float(below), float(above)) for name, value, below, above in bounds}


def estimate_over_time(
    scores: Scores, statistic: Callable[[Scores], Scores], resampling: Resampling
) -> tuple[Scores, Scores | None, Scores | None]:
    """Value and bounds of `statistic` at every point of a seeds × games × points array; bounds None with one seed."""
    assert scores.ndim == 3
    return _intervals(scores, statistic, resampling)


def iqm_over_time(scores: Scores) -> Scores:
    """The interquartile mean over seeds and games at every point of a seeds × games × points array."""
    pooled = np.sort(scores.reshape(-1, scores.shape[-1]), axis=0)
    cut = int(0.25 * len(pooled))
    middle: Scores = pooled[cut : len(pooled) - cut].mean(axis=0)
    return middle


def mean_over_time(scores: Scores) -> Scores:
    """The mean over seeds and games at every point of a seeds × games × points array."""
    mean: Scores = scores.mean(axis=(0, 1))
    return mean


def _intervals(
    scores: Scores, statistic: Callable[[Scores], Scores], resampling: Resampling
) -> tuple[Scores, Scores | None, Scores | None]:
    if len(scores) == 1:
        return statistic(scores), None, None
    with _global_generator(resampling.seed):
        points, bounds = library.get_interval_estimates(
            {"method": scores}, statistic, reps=resampling.repetitions, confidence_interval_size=CONFIDENCE
        )
    return points["method"], bounds["method"][0], bounds["method"][1]


@contextmanager
def _global_generator(seed: int) -> Iterator[None]:
    """NumPy's global generator seeded within the block and as it was after it.

    rliable 1.2.0 resamples from it (`StratifiedBootstrap.update_indices`) whatever its `random_state` says. One method
    at a time and always from `seed`: a method's interval does not depend on what it is compared with.
    """
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
