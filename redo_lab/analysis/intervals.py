"""From the statistics of resamples to the bounds of an interval.

rliable's three methods, and its percentiles widened as far as Student's t lies outside the normal distribution. The
degrees of freedom are Satterthwaite's (1946): each game's runs estimate their part of the variance, with one degree
less than there are runs. The parts are read off the resamples, so that any statistic has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from redo_lab.analysis.bootstrap import Draws, Resamples, Resampling, Scores
from redo_lab.analysis.schemes import BASIC, BIAS_CORRECTED, RAO_WU

ENOUGH_IN_A_TAIL = 20
"""With fewer resamples in existence as far out as a percentile, this is too coarse (docs/aggregation.md)."""
REPETITIONS_FOR_PARTS = 10_000
"""So many resamples tell the parts of a variance well enough."""


def bounds(
    points: Scores, draws: Draws, resampling: Resampling, resamples: Sequence[Resamples], *, shares: bool = False
) -> tuple[Scores, Scores]:
    """The interval of each of `points` [...], given the same statistic [..., repetitions] of the `resamples`.

    shares: the statistic lies between 0 and 1.
    """
    tail = (1 - resampling.confidence) / 2
    if resampling.method == RAO_WU:
        low, high = _students(points, draws, tail, resamples)
        return (low.clip(0, 1), high.clip(0, 1)) if shares else (low, high)
    if resampling.method == BIAS_CORRECTED:
        return _at_levels(draws, _bias_corrected(points, draws, tail))
    low, high = np.quantile(draws, [tail, 1 - tail], axis=-1)
    return (2 * points - high, 2 * points - low) if resampling.method == BASIC else (low, high)


def _students(points: Scores, draws: Draws, tail: float, resamples: Sequence[Resamples]) -> tuple[Scores, Scores]:
    """Percentiles as far out as Student's t; where too few resamples exist that lie so far out, points ± t · s."""
    quantiles = student.ppf(1 - tail, degrees_of_freedom(draws, resamples))
    low, high = _at_levels(draws, norm.cdf(np.stack([-quantiles, quantiles], axis=-1)))
    in_tail = norm.logcdf(-quantiles) + sum(one.log_of_existing for one in _once(resamples))
    coarse, half = in_tail < np.log(ENOUGH_IN_A_TAIL), quantiles * draws.std(axis=-1)
    return np.where(coarse, points - half, low), np.where(coarse, points + half, high)


def degrees_of_freedom(draws: Draws, resamples: Sequence[Resamples]) -> Scores:
    """Satterthwaite's, of the variance of a statistic of `resamples`: [...] for draws [..., repetitions]."""
    flat = draws.reshape(-1, draws.shape[-1])
    parts, each = [], []
    for one in _once(resamples):
        of_strata = variance_parts(flat, one)
        parts.append(of_strata)
        each.append(np.full(len(of_strata), one.strata[1] - 1.0))
    part, degrees = np.concatenate(parts), np.concatenate(each)[:, None]
    square_of_sum, sum_of_squares = part.sum(axis=0) ** 2, (part**2 / degrees).sum(axis=0)
    # Where no stratum has a part, as where all runs are equal, as few as a single stratum has.
    freedom: Scores = np.divide(
        square_of_sum, sum_of_squares, out=np.full(len(flat), degrees.min()), where=sum_of_squares > 0
    )
    return freedom.reshape(draws.shape[:-1])


def variance_parts(draws: Draws, resamples: Resamples) -> Scores:
    """How much of the variance of each row of `draws` comes from each stratum: [strata, rows].

    Covariances with the counts are the statistic's linear influence of each run (Efron, 2014), plus noise of a known
    variance, which is subtracted.
    """
    counts, units = resamples.strata
    counts, draws = counts[:, :REPETITIONS_FOR_PARTS], draws[:, :REPETITIONS_FOR_PARTS]
    centred = draws - draws.mean(axis=1, keepdims=True)
    influence = counts.astype(np.float32) @ centred.T.astype(np.float32) / draws.shape[1]
    noise = units * counts.var() * centred.var(axis=1) / draws.shape[1]
    squares = (influence.astype(np.float64) ** 2).reshape(-1, units, len(draws)).sum(axis=1)
    parts: Scores = np.maximum(squares - noise, 0) * units / (units - 1)
    return parts


def _once(resamples: Sequence[Resamples]) -> list[Resamples]:
    """Without those that draw as another of them does."""
    return list({one.source: one for one in resamples}.values())


def _at_levels(draws: Draws, levels: Scores) -> tuple[Scores, Scores]:
    """The quantiles of each row at its own two levels."""
    flat = zip(draws.reshape(-1, draws.shape[-1]), levels.reshape(-1, 2), strict=True)
    ends = np.array([np.quantile(of_one, level) for of_one, level in flat]).reshape(*draws.shape[:-1], 2)
    return ends[..., 0], ends[..., 1]


def _bias_corrected(points: Scores, draws: Draws, tail: float) -> Scores:
    """The levels of Efron (1981): percentiles moved by how far the point lies from the median of the resamples."""
    share = np.clip((draws < points[..., None]).mean(axis=-1), 0.5 / draws.shape[-1], 1 - 0.5 / draws.shape[-1])
    shift = 2 * norm.ppf(share)
    levels: Scores = norm.cdf(shift[..., None] + norm.ppf([tail, 1 - tail]))
    return levels
