"""The schemes of intervals that scripts/coverage.py compares: redo_lab's own, and those tried beside them.

A scheme takes a `Batch` of simulated studies and gives the low and the high bounds of the IQM of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from redo_lab.analysis.bootstrap import TRIMMED, Resamples, Resampling
from redo_lab.analysis.intervals import bounds, degrees_of_freedom, variance_parts

Floats: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[Floats, Floats]
TAIL = 0.025
INNER = 200


@dataclass(frozen=True)
class Batch:
    """Studies [studies, seeds, games] that share their resamples, which `seed` draws."""

    scores: Floats
    repetitions: int
    seed: int

    def resampling(self, method: str) -> Resampling:
        return Resampling(self.repetitions, self.seed, method)

    def resamples(self, method: str) -> Resamples:
        return self.resampling(method).resamples(*self.scores.shape[1:])

    @cached_property
    def points(self) -> Floats:
        return iqm(self.scores.reshape(len(self.scores), -1))

    @cached_property
    def as_many(self) -> tuple[Floats, Resamples]:
        """IQMs [studies, repetitions] of as many draws a game as there are runs."""
        return self._draws("rliable")

    @cached_property
    def one_fewer(self) -> tuple[Floats, Resamples]:
        """The same of one draw fewer."""
        return self._draws("rao-wu")

    def _draws(self, method: str) -> tuple[Floats, Resamples]:
        resamples = self.resamples(method)
        return np.stack([resamples.iqm(scores) for scores in self.scores]), resamples

    @cached_property
    def freedom(self) -> Floats:
        draws, resamples = self.one_fewer
        return degrees_of_freedom(draws, [resamples])

    @cached_property
    def unbiased_freedom(self) -> Floats:
        """E[s⁴] = σ⁴ (f + 2) / f, and Satterthwaite's formula puts s⁴ in the place of σ⁴; here it doesn't."""
        draws, resamples = self.one_fewer
        part, f = variance_parts(draws, resamples), self.scores.shape[1] - 1
        return np.maximum(part.sum(axis=0) ** 2 / (part**2 / (f + 2)).sum(axis=0) - 2, f)


def iqm(flat: Floats) -> Floats:
    """Of the last axis."""
    ordered, cut = np.sort(flat, axis=-1), int(TRIMMED * flat.shape[-1])
    return ordered[..., cut : flat.shape[-1] - cut].mean(axis=-1)


def own(method: str) -> Callable[[Batch], Interval]:
    """As redo_lab draws them."""

    def interval(batch: Batch) -> Interval:
        draws, resamples = batch.one_fewer if method == "rao-wu" else batch.as_many
        return bounds(batch.points, draws, batch.resampling(method), [resamples])

    return interval


def percentiles(draws: Floats, tails: Floats) -> Interval:
    ends = np.array([np.quantile(row, [tail, 1 - tail]) for row, tail in zip(draws, tails, strict=True)])
    return ends[:, 0], ends[:, 1]


def t_percentiles(freedom: Callable[[Batch], Floats | float]) -> Callable[[Batch], Interval]:
    """Percentiles of one draw fewer, as far out as Student's t has them."""

    def interval(batch: Batch) -> Interval:
        tails = norm.cdf(student.ppf(TAIL, freedom(batch)))
        return percentiles(batch.one_fewer[0], np.broadcast_to(tails, len(batch.scores)))

    return interval


def standard_errors(freedom: Callable[[Batch], Floats | float]) -> Callable[[Batch], Interval]:
    """The estimate ± t standard deviations of the draws, one fewer."""

    def interval(batch: Batch) -> Interval:
        half = batch.one_fewer[0].std(axis=1) * student.ppf(1 - TAIL, freedom(batch))
        return batch.points - half, batch.points + half

    return interval


def winsorised(batch: Batch) -> Interval:
    """No bootstrap: the variance of a game's runs, winsorised at the quartiles of all (Tukey and McLaughlin, 1963)."""
    error, freedom = _winsorised_error(batch.scores)
    half = error * student.ppf(1 - TAIL, freedom)
    return batch.points - half, batch.points + half


def _winsorised_error(scores: Floats) -> Interval:
    """The standard error of the IQM of each [..., seeds, games], and its degrees of freedom."""
    *_, seeds, games = scores.shape
    size, cut = seeds * games, int(TRIMMED * seeds * games)
    ordered = np.sort(scores.reshape(*scores.shape[:-2], size), axis=-1)
    low, high = (ordered[..., at, None, None] for at in (cut, size - cut - 1))
    part = np.clip(scores, low, high).var(axis=-2, ddof=1) / seeds / (games * (1 - 2 * cut / size)) ** 2
    total, squares = part.sum(axis=-1), (part**2 / (seeds + 1)).sum(axis=-1)
    freedom = np.divide(total**2, squares, out=np.full_like(total, seeds + 1.0), where=squares > 0) - 2
    return np.sqrt(total), np.maximum(freedom, seeds - 1)


def studentised(batch: Batch) -> Interval:
    """Bootstrap-t with the winsorised standard error in every resample."""
    _, seeds, games = batch.scores.shape
    places = np.random.default_rng(batch.seed).integers(0, seeds, (batch.repetitions, seeds, games))
    ends = [_studentised(scores, scores[places, np.arange(games)]) for scores in batch.scores]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def _studentised(scores: Floats, resamples: Floats) -> tuple[float, float]:
    point, (error, _) = iqm(scores.ravel()), _winsorised_error(scores)
    errors, _ = _winsorised_error(resamples)
    apart = iqm(resamples.reshape(len(resamples), -1)) - point
    low, high = np.quantile(apart[errors > 0] / errors[errors > 0], [TAIL, 1 - TAIL])
    return float(point - high * error), float(point - low * error)


def double(batch: Batch) -> Interval:
    """rliable's percentiles at levels that a second bootstrap calibrates (Beran, 1987), INNER resamples of INNER."""
    _, seeds, games = batch.scores.shape
    inner = Resampling(INNER, batch.seed, "rliable").resamples(seeds, games, "inner")
    places = np.random.default_rng(batch.seed).integers(0, seeds, (INNER, seeds, games))
    draws, _ = batch.as_many
    ends = []
    for scores, point, row in zip(batch.scores, batch.points, draws, strict=True):
        outer = scores[places, np.arange(games)]
        levels = [(inner.iqm(one) <= point).mean() for one in outer]
        ends.append(np.quantile(row, np.quantile(levels, [TAIL, 1 - TAIL])))
    return np.array(ends)[:, 0], np.array(ends)[:, 1]


def schemes() -> Iterator[tuple[str, Callable[[Batch], Interval]]]:
    """In the order of the table: name and scheme."""
    infinite: Callable[[Batch], float] = lambda batch: np.inf  # noqa: E731
    yield "rliable", own("rliable")
    yield "basic", own("basic")
    yield "bc", own("bc")
    yield "n − 1, percentiles", t_percentiles(infinite)
    yield "n − 1, ± 1.96 s", standard_errors(infinite)
    yield "n − 1, ± t s", standard_errors(lambda batch: batch.freedom)
    yield "n − 1, ± t s, unbiased f", standard_errors(lambda batch: batch.unbiased_freedom)
    yield "n − 1, t percentiles, f = n − 1", t_percentiles(lambda batch: batch.scores.shape[1] - 1)
    yield "n − 1, t percentiles, f = M (n − 1)", t_percentiles(lambda b: (b.scores.shape[1] - 1) * b.scores.shape[2])
    yield "n − 1, t percentiles, unbiased f", t_percentiles(lambda batch: batch.unbiased_freedom)
    yield "rao-wu", own("rao-wu")
    yield "winsorised ± t s", winsorised
