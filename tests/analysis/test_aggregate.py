"""Aggregate metrics and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from redo_lab.analysis.aggregate import METRICS, Estimate, estimate
from redo_lab.analysis.bootstrap import Resampling
from redo_lab.commands.aggregate import METRICS as OFFERED

# 2 seeds × 4 games, and not the same transposed.
SCORES = np.array([[0.0, 0.2, 1.0, 9.0], [0.4, 0.2, 3.0, 1.0]])
DRAWN = Resampling(repetitions=200, seed=7)


def test_point_estimates_equal_those_computed_by_hand() -> None:
    found = estimate(SCORES, list(METRICS), DRAWN)
    # Sorted: 0 .2 .2 .4 1 1 3 9: the middle four are .2 .4 1 1. Means of the games: .2 .2 2 5.
    assert found["iqm"].value == pytest.approx(2.6 / 4)
    assert found["iqm"].value == pytest.approx(scipy.stats.trim_mean(SCORES.ravel(), 0.25))
    assert found["median"].value == pytest.approx(1.1)
    assert found["mean"].value == pytest.approx(14.8 / 8)
    assert found["optimality_gap"].value == pytest.approx((1 + 0.8 + 0.6 + 0.8) / 8)


def test_the_strata_are_the_columns() -> None:
    """Games that differ while their seeds agree leave nothing to resample; seeds that differ do."""
    games_differ = np.array([[1.0, 2.0, 4.0]] * 3)
    same = estimate(games_differ, ["mean"], DRAWN)["mean"]
    assert (same.value, same.low, same.high) == pytest.approx((7 / 3, 7 / 3, 7 / 3), rel=1e-14)
    swapped = estimate(games_differ.T, ["mean"], DRAWN)["mean"]
    assert swapped.low is not None
    assert swapped.high is not None
    assert swapped.low < 7 / 3 < swapped.high


def test_intervals_are_those_of_the_seed() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 3))
    first = estimate(scores, ["iqm", "mean"], Resampling(200, 1))
    assert estimate(scores, ["iqm", "mean"], Resampling(200, 1)) == first
    other = estimate(scores, ["iqm", "mean"], Resampling(200, 2))
    assert other["iqm"].value == first["iqm"].value
    assert (other["iqm"].low, other["iqm"].high) != (first["iqm"].low, first["iqm"].high)


def test_an_interval_covers_most_of_the_bootstrap_distribution_of_a_mean() -> None:
    scores = np.random.default_rng(1).normal(size=(200, 1))
    found = estimate(scores, ["mean"], Resampling(2000, 0))["mean"]
    half_width = 1.96 * scores.std() / np.sqrt(200)
    assert found.low == pytest.approx(scores.mean() - half_width, abs=0.15 * half_width)
    assert found.high == pytest.approx(scores.mean() + half_width, abs=0.15 * half_width)


def test_one_seed_has_no_interval() -> None:
    assert estimate(SCORES[:1], ["mean"], DRAWN)["mean"] == Estimate(pytest.approx(2.55), None, None)


def test_the_command_offers_every_metric() -> None:
    assert tuple(METRICS) == OFFERED
