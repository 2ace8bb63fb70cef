"""Stratified bootstrap resamples of score matrices: rliable's statistics (Agarwal et al., 2021), computed faster.

A resample draws runs of each game with replacement: as many as there are (rliable), or one fewer, which doesn't
understate the variance (Rao and Wu, 1988). We store how often each run was drawn and never copy the drawn scores. The
runs of all games are sorted by score once. The interquartile mean of a resample is then a sum over cumulated counts, so
no resample is sorted again: resamples lie side by side in memory and every step runs over all of them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from redo_lab.analysis.schemes import RAO_WU, SCHEMES

Scores: TypeAlias = "NDArray[np.float64]"
Draws: TypeAlias = "NDArray[np.float64]"
"""A statistic of every resample: [..., repetitions]."""

TRIMMED = 0.25
ROWS_AT_ONCE, REPETITIONS_AT_ONCE = 64, 5000
"""Of counts that are worked on together: all of them cumulated would take more memory than anything else."""


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: the same values give the same intervals.

    method: rao-wu draws a run of each game fewer than there are, and `intervals` widens its percentiles; rliable
    (percentile), basic and bc (bias-corrected) are rliable's, with as many runs as there are.
    tasks: games are drawn, too, as if there were more of them.
    paired: a difference draws the same seeds of both methods, as if these had something in common.
    plain: of what a method is called the name that its draws are made by, so that no number depends on the former.
    """

    repetitions: int
    seed: int
    method: str = RAO_WU
    tasks: bool = False
    confidence: float = 0.95
    paired: bool = False
    plain: Callable[[str], str] = str

    def __post_init__(self) -> None:
        if self.repetitions < 1:
            raise ValueError(f"repetitions must be ≥ 1, got {self.repetitions}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"the bootstrap's seed must be in [0, 2**32), got {self.seed}")
        if self.method not in SCHEMES:
            raise ValueError(f"the method of intervals must be one of {', '.join(SCHEMES)}, got {self.method}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {self.confidence}")

    def resamples(self, seeds: int, games: int, name: str = "") -> Resamples:
        """Of a matrix [seeds, games]; `name`: whose, so that those of two methods are independent."""
        if self.method == RAO_WU and self.tasks and games > 1:
            return GameResamples(seeds, games, self)
        return Resamples(seeds, games, self, self.plain(name))

    @property
    def described(self) -> str:
        """For captions: `95 % stratified bootstrap intervals (Rao-Wu, t quantiles, over runs, 50000 resamples)`."""
        over = ("games" if self.method == RAO_WU else "runs and games") if self.tasks else "runs"
        kind = "stratified bootstrap intervals"
        return f"{self.confidence * 100:g} % {kind} ({SCHEMES[self.method]}, over {over}, {self.repetitions} resamples)"


class Resamples:
    """The resamples of one score matrix [seeds, games]; `name`: whose, so that those of two methods are independent.

    source: resamples of an equal one are the same.
    """

    def __init__(self, seeds: int, games: int, resampling: Resampling, name: str = "") -> None:
        self.seeds, self.games, self.repetitions = seeds, games, resampling.repetitions
        self.source = (resampling.seed, name, seeds, games)
        self.runs_per_game = seeds - 1 if resampling.method == RAO_WU else seeds
        generator = np.random.default_rng([resampling.seed, zlib.crc32(name.encode())])
        small = np.min_scalar_type(seeds - 1)
        shape = (games, self.runs_per_game, self.repetitions)
        self._seed_indices = generator.integers(0, seeds, shape, dtype=small)
        drawn = resampling.tasks and resampling.method != RAO_WU
        self._tasks = generator.integers(0, games, (games, self.repetitions)) if drawn else None

    @property
    def size(self) -> int:
        """How many runs a resample has."""
        return self.games * self.runs_per_game

    @property
    def log_of_existing(self) -> float:
        """The logarithm of how many resamples there are of these runs, each as likely as any."""
        return self.size * math.log(self.seeds)

    @cached_property
    def counts(self) -> NDArray[np.unsignedinteger]:
        """How often each run is in each resample: [games × seeds, repetitions], the runs of a game together."""
        small = self._cumulated_type if self._tasks is not None else np.min_scalar_type(self.seeds)
        counts = np.empty((self.games, self.seeds, self.repetitions), dtype=small)  # games as drawn
        everyone = np.arange(self.repetitions)
        for game, indices in enumerate(self._seed_indices):
            places = indices.astype(np.intp) * self.repetitions + everyone
            counts[game] = np.bincount(places.ravel(), minlength=counts[game].size).reshape(counts[game].shape)
        if self._tasks is not None:
            once, counts = counts, np.zeros_like(counts)
            for place in range(self.games):
                counts[self._tasks[place], :, everyone] += once[place].T
        return counts.reshape(self.games * self.seeds, self.repetitions)

    @property
    def strata(self) -> tuple[NDArray[np.unsignedinteger], int]:
        """The counts of what is drawn [units, repetitions], and how many consecutive rows of them are one stratum."""
        return self.counts, self.seeds

    @property
    def _cumulated_type(self) -> np.dtype[np.unsignedinteger]:
        return np.min_scalar_type(self.games * self.seeds)

    def _blocks(self) -> Iterator[slice]:
        return (slice(at, at + REPETITIONS_AT_ONCE) for at in range(0, self.repetitions, REPETITIONS_AT_ONCE))

    def _cumulated(self, order: NDArray[np.intp], repetitions: slice) -> NDArray[np.unsignedinteger]:
        """The counts of the runs in that order, summed up."""
        return np.cumsum(self.counts[:, repetitions][order], axis=0, dtype=self._cumulated_type)

    def mean(self, scores: Scores) -> Draws:
        """Of all runs of all games."""
        return _weighted(scores.T.ravel(), self.counts) / self.size

    def optimality_gap(self, scores: Scores) -> Draws:
        """How far runs stay below a score of 1, on average."""
        return 1 - self.mean(np.minimum(scores, 1.0))

    def iqm(self, scores: Scores) -> Draws:
        """The mean of the middle half of all runs.

        A resample loses the same share as all scores do, ⌊N/4⌋ of N at each end. If it has fewer runs these needn't be
        whole. Were they, games in the middle would weigh differently in resamples than in the estimate.
        """
        flat = scores.T.ravel()
        order = np.argsort(flat, kind="stable")
        values, parts = flat[order], self.strata[1]  # of which a run has so many, to cut whole ones
        total = self.size * parts
        cut = int(TRIMMED * flat.size) * total // flat.size
        size = total - 2 * cut
        wide = np.result_type(self._cumulated_type, np.min_scalar_type(total))
        middle = np.empty(self.repetitions)
        for some in self._blocks():
            # Of the runs up to the i-th in order so many are in the middle half; Abel's summation over them.
            below = self._cumulated(order[:-1], some).astype(wide, copy=False)
            below *= wide.type(parts)
            np.clip(below, cut, cut + size, out=below)
            below -= below.dtype.type(cut)
            middle[some] = values[-1] - _weighted(np.diff(values), below) / size
        return middle

    def median(self, scores: Scores) -> Draws:
        """Over games, of the mean of each game's runs."""
        means = np.empty((self.games, self.repetitions))
        for place in range(self.games):
            game = place if self._tasks is None else self._tasks[place]
            means[place] = scores[self._seed_indices[place], game].mean(axis=0)
        return np.asarray(np.median(means, axis=0))

    def profile(self, scores: Scores, thresholds: Sequence[float]) -> Draws:
        """The share of runs above each of `thresholds`: [thresholds, repetitions]."""
        flat = scores.T.ravel()
        order = np.argsort(flat, kind="stable")
        up_to = np.searchsorted(flat[order], thresholds, side="right")
        above = np.empty((len(up_to), self.repetitions))
        for some in self._blocks():
            cumulated = self._cumulated(order, some)
            with_none = np.concatenate([np.zeros_like(cumulated[:1]), cumulated])
            above[:, some] = 1 - with_none[up_to] / self.size
        return above

    def improvement(self, scores: Scores, other: Scores, others: Resamples) -> Draws:
        """P(a run of `scores` beats one of `other` at the same game), ties counted half, averaged over games."""
        total = np.zeros(self.repetitions)
        mine = self.counts.reshape(self.games, self.seeds, -1)
        theirs = others.counts.reshape(others.games, others.seeds, -1)
        for game in range(self.games):
            x, y = scores[:, game, None], other[None, :, game]
            won = (x > y) + 0.5 * (x == y)
            total += (mine[game] * (won @ theirs[game].astype(np.float64))).sum(axis=0)
        return total / (self.runs_per_game * others.runs_per_game * self.games)


class GameResamples(Resamples):
    """Whole games are drawn, one fewer than there are: their spread holds that of their runs, which stay as they are.

    The draws are the same for every method, as methods are compared on the same games.
    """

    def __init__(self, seeds: int, games: int, resampling: Resampling) -> None:
        self.seeds, self.games, self.repetitions = seeds, games, resampling.repetitions
        self.source = (resampling.seed, "", games, games)
        self._places = np.random.default_rng(resampling.seed).integers(0, games, (games - 1, self.repetitions))

    @property
    def size(self) -> int:
        """How many runs a resample has."""
        return (self.games - 1) * self.seeds

    @property
    def log_of_existing(self) -> float:
        """The logarithm of how many resamples there are of these games, each as likely as any."""
        return (self.games - 1) * math.log(self.games)

    @cached_property
    def game_counts(self) -> NDArray[np.unsignedinteger]:
        """How often each game is in each resample: [games, repetitions]."""
        places = self._places * self.repetitions + np.arange(self.repetitions)
        counts = np.bincount(places.ravel(), minlength=self.games * self.repetitions)
        return counts.reshape(self.games, -1).astype(np.min_scalar_type(self.games))

    @cached_property
    def counts(self) -> NDArray[np.unsignedinteger]:
        """How often each run is in each resample: [games × seeds, repetitions], the runs of a game together."""
        return np.repeat(self.game_counts, self.seeds, axis=0)

    @property
    def strata(self) -> tuple[NDArray[np.unsignedinteger], int]:
        """The counts of what is drawn [units, repetitions], and how many consecutive rows of them are one stratum."""
        return self.game_counts, self.games

    def median(self, scores: Scores) -> Draws:
        """Over games, of the mean of each game's runs."""
        return np.asarray(np.median(scores.mean(axis=0)[self._places], axis=0))

    def improvement(self, scores: Scores, other: Scores, others: Resamples) -> Draws:
        """P(a run of `scores` beats one of `other` at the same game), ties counted half, averaged over games."""
        x, y = scores[:, None], other[None]
        won = ((x > y) + 0.5 * (x == y)).mean(axis=(0, 1))
        return _weighted(won, self.game_counts) / (self.games - 1)


def _weighted(values: Scores, counts: NDArray[np.unsignedinteger]) -> Draws:
    """Σ values · counts for every resample, without a copy of all counts as floats."""
    total = np.zeros(counts.shape[1])
    for at in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(at, at + ROWS_AT_ONCE)
        total += values[rows] @ counts[rows].astype(np.float64)
    return total
