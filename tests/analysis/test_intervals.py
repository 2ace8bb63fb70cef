"""Intervals at few seeds: resamples that don't understate the variance, and t quantiles where few runs estimate it."""

from __future__ import annotations

import importlib.util
import sys
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from redo_lab.analysis.aggregate import METRICS, difference, estimate, improvement, over_time, profile
from redo_lab.analysis.bootstrap import GameResamples, Resamples, Resampling
from redo_lab.analysis.intervals import bounds, degrees_of_freedom

SCRIPTS = Path(__file__).parents[2] / "scripts"
RAO_WU = Resampling(20_000, 0)
X = np.random.default_rng(0).lognormal(0.0, 1.0, size=(5, 17))


def trimmed_alike(drawn: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """The IQM of a resample that loses the same share at each end as the matrix that it was drawn from."""
    copies = np.sort(np.repeat(drawn.ravel(), scores.size))  # so many of each that whole ones are cut
    cut = int(scores.size // 4 * drawn.size)
    return float(copies[cut : len(copies) - cut].mean())


def all_resamples(seeds: int, method: str) -> Resamples:
    """Of one game: every resample there can be, once."""
    drawn = seeds - 1 if method == "rao-wu" else seeds
    resamples = Resamples(seeds, 1, Resampling(seeds**drawn, 0, method))
    resamples._seed_indices = np.array(list(product(range(seeds), repeat=drawn))).T[None]
    return resamples


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_the_resampled_mean_varies_as_the_unbiased_variance_says(seeds: int) -> None:
    scores = np.random.default_rng(1).normal(size=(seeds, 1))
    unbiased = scores.var(ddof=1) / seeds
    for statistic in ("mean", "median"):  # Of one game both are the mean of its runs.
        assert getattr(all_resamples(seeds, "rao-wu"), statistic)(scores).var() == pytest.approx(unbiased, rel=1e-12)
    rliables = all_resamples(seeds, "rliable").mean(scores).var()
    assert rliables == pytest.approx(unbiased * (seeds - 1) / seeds, rel=1e-12)


def test_the_difference_of_two_methods_has_the_sum_of_their_unbiased_variances() -> None:
    """Of means, whose variance is known; five runs of one game."""
    scores, other = np.random.default_rng(1).normal(size=(2, 5, 1))
    mine, theirs = (Resamples(5, 1, RAO_WU, name).mean(each) for name, each in (("a", scores), ("b", other)))
    expected = (scores.var(ddof=1) + other.var(ddof=1)) / 5
    assert (mine - theirs).var() == pytest.approx(expected, rel=0.03)


def test_a_resample_has_a_run_of_each_game_fewer() -> None:
    resamples = Resamples(5, 60, Resampling(100, 0))
    assert (resamples.counts.reshape(60, 5, -1).sum(axis=1) == 4).all()


def test_every_statistic_of_fewer_draws_is_that_of_its_resample() -> None:
    resamples = Resamples(5, 17, Resampling(50, 3), "m")
    for at in range(50):
        matrix = np.stack([X[resamples._seed_indices[game, :, at], game] for game in range(17)], axis=1)
        assert matrix.shape == (4, 17)
        for name, statistic in METRICS.items():
            expected = trimmed_alike(matrix, X) if name == "iqm" else statistic(matrix)
            assert getattr(resamples, name)(X)[at] == pytest.approx(expected, rel=1e-12), name
        assert resamples.profile(X, [1.0])[0, at] == pytest.approx((matrix > 1).mean(), rel=1e-12)


def test_games_far_apart_weigh_in_resamples_as_in_the_estimate() -> None:
    """30 scores lose 7 at each end: whole runs of 24 would be 6, and the games in the middle would weigh otherwise."""
    scores = np.array([0.0, 0, 2, 3, 9, 100]) + np.random.default_rng(3).normal(0, 1e-4, size=(5, 6))
    iqm = estimate(scores, ["iqm"], RAO_WU)["iqm"]
    assert iqm.low is not None
    assert iqm.high is not None
    assert iqm.low < iqm.value < iqm.high < iqm.low + 1e-3


def test_the_degrees_of_freedom_of_a_mean_are_satterthwaites() -> None:
    resamples = Resamples(5, 17, RAO_WU)
    variances = X.var(axis=0, ddof=1)
    expected = variances.sum() ** 2 / (variances**2 / 4).sum()
    assert degrees_of_freedom(resamples.mean(X), [resamples]) == pytest.approx(expected, rel=0.02)


def test_one_game_that_varies_has_the_freedom_of_its_own_runs_and_equal_ones_that_of_all() -> None:
    alone = np.zeros((5, 17))
    alone[:, 3] = range(5)
    alike = np.tile(np.arange(5.0)[:, None], 17)
    resamples = Resamples(5, 17, RAO_WU)
    assert degrees_of_freedom(resamples.mean(alone), [resamples]) == pytest.approx(4, rel=0.01)
    assert degrees_of_freedom(resamples.mean(alike), [resamples]) == pytest.approx(4 * 17, rel=0.01)


def test_two_methods_have_the_freedom_of_welch_and_the_same_draws_count_once() -> None:
    scores, other = np.random.default_rng(2).normal(size=(5, 1)), np.random.default_rng(3).normal(size=(3, 1))
    mine, theirs = Resamples(5, 1, RAO_WU, "a"), Resamples(3, 1, RAO_WU, "b")
    parts = np.array([scores.var(ddof=1) / 5, other.var(ddof=1) / 3])
    expected = parts.sum() ** 2 / (parts**2 / [4, 2]).sum()
    draws = mine.mean(scores) - theirs.mean(other)
    assert degrees_of_freedom(draws, [mine, theirs]) == pytest.approx(expected, rel=0.02)
    assert degrees_of_freedom(mine.mean(scores), [mine, mine]) == pytest.approx(4)


def test_an_interval_of_a_mean_is_students() -> None:
    """25 games of 3 runs that vary alike: 50 degrees of freedom."""
    scores = np.random.default_rng(4).permuted(np.tile([[-1.0], [0.0], [1.0]], 25), axis=0)
    found = estimate(scores, ["mean"], RAO_WU)["mean"]
    half = scipy.stats.t.ppf(0.975, 50) * np.sqrt(1 / 3 / 25)
    assert (found.low, found.high) == pytest.approx((-half, half), abs=0.01)  # Draws lie 0.02 apart.


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_where_too_few_resamples_exist_the_interval_of_a_mean_is_students_own(seeds: int) -> None:
    """Of one game's two runs every percentile lies between them, which half of all studies' truths don't."""
    scores = np.random.default_rng(7).normal(size=(seeds, 1))
    found = estimate(scores, ["mean"], RAO_WU)["mean"]
    expected = scipy.stats.t.interval(0.95, seeds - 1, scores.mean(), scipy.stats.sem(scores.ravel()))
    assert (found.low, found.high) == pytest.approx(expected, rel=0.02)


def test_where_enough_resamples_exist_the_ends_are_percentiles_as_far_out_as_students_t() -> None:
    resamples = Resamples(5, 17, RAO_WU)
    draws = resamples.iqm(X)
    t = scipy.stats.t.ppf(0.975, degrees_of_freedom(draws, [resamples]))
    expected = np.quantile(draws, scipy.stats.norm.cdf([-t, t]))
    found = estimate(X, ["iqm"], RAO_WU)["iqm"]
    assert [found.low, found.high] == pytest.approx(expected.tolist(), rel=1e-12)


def test_shares_stay_between_0_and_1() -> None:
    x, y = np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]])
    won = improvement(("x", x), ("y", y), RAO_WU)
    assert (won.low, won.high) == (0, 1)
    line = profile(x, np.array([1.0]), RAO_WU)
    assert line.low is not None
    assert line.high is not None
    assert (line.low[0], line.high[0]) == (0, 1)


def test_runs_that_are_equal_have_an_interval_without_width() -> None:
    found = estimate(np.tile(np.arange(5.0), (4, 1)), list(METRICS), RAO_WU)
    assert all(each.low == each.value == each.high for each in found.values())


def test_two_seeds_have_intervals_of_everything() -> None:
    x, y = X[:2], X[2:4]
    assert all(each.low < each.value < each.high for each in estimate(x, list(METRICS), RAO_WU).values())  # type: ignore[operator]
    for each in (difference(("x", x), ("y", y), RAO_WU), improvement(("x", x), ("y", y), RAO_WU)):
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.value < each.high
    lines = (profile(x, np.array([0.5, 1.0]), RAO_WU), over_time(np.stack([x, y], axis=-1), "iqm", RAO_WU))
    for line in lines:
        assert line.low is not None
        assert (line.low < line.value).all()


def test_one_seed_has_no_interval_of_anything() -> None:
    one = X[:1]
    for each in (difference(("x", one), ("y", X), RAO_WU), improvement(("x", X), ("y", one), RAO_WU)):
        assert each.low is None
    assert profile(one, np.array([1.0]), RAO_WU).low is None
    assert over_time(one[..., None], "iqm", RAO_WU).low is None


def test_resampled_games_vary_as_the_unbiased_variance_of_their_means_says() -> None:
    scores = np.random.default_rng(5).normal(size=(3, 4))
    resamples = GameResamples(3, 4, Resampling(4**3, 0))
    resamples._places = np.array(list(product(range(4), repeat=3))).T
    means = scores.mean(axis=0)
    assert resamples.mean(scores).var() == pytest.approx(means.var(ddof=1) / 4, rel=1e-12)
    for at, places in enumerate(resamples._places.T):
        for name, statistic in METRICS.items():
            drawn = scores[:, places]
            expected = trimmed_alike(drawn, scores) if name == "iqm" else statistic(drawn)
            assert getattr(resamples, name)(scores)[at] == pytest.approx(expected, rel=1e-12)
    assert degrees_of_freedom(resamples.mean(scores), [resamples]) == pytest.approx(3)


def test_methods_are_compared_on_the_same_resampled_games() -> None:
    """Games differ far more than methods do: a difference of games of their own would hide that of the methods."""
    scores = np.random.default_rng(6).normal(size=(5, 10)) * 0.01 + 10 * np.arange(10)
    games = Resampling(2000, 0, tasks=True)
    better = difference(("a", scores + 1), ("b", scores[::-1]), games)
    assert better.low is not None
    assert better.low > 0.9
    won = improvement(("a", scores + 1), ("b", scores[:4]), games)
    assert (won.low, won.value, won.high) == (1, 1, 1)
    one_game = estimate(scores[:, :1], ["mean"], games)["mean"]
    assert one_game == estimate(scores[:, :1], ["mean"], Resampling(2000, 0))["mean"]


def scenarios() -> ModuleType:
    """scripts/coverage.py, by another name than that of the package for test coverage."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        specification = importlib.util.spec_from_file_location("interval_coverage", SCRIPTS / "coverage.py")
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules["interval_coverage"] = module
        specification.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(SCRIPTS))


def test_three_seeds_cover_the_truth_in_95_of_100_studies_where_rliables_do_in_85() -> None:
    """600 studies of 3 seeds × 5 games: 95 ± 0.9 is expected."""
    module = scenarios()
    module.POPULATION = 20_000
    row = module.of_schemes(module.Scenario(3, 5, "normal", "equal"), 600, 500, costly=False)
    assert 93 <= row.coverage["rao-wu"] <= 97, row.coverage
    assert row.coverage["rliable"] < 90
    assert row.width["rao-wu"] > 1.3 * row.width["rliable"]


def test_the_simulation_draws_intervals_as_the_verbs_do() -> None:
    module = scenarios()
    batch = module.Batch(X[None], 1000, 7)
    for name, scheme in module.schemes():
        low, high = scheme(batch)
        assert low[0] < batch.points[0] < high[0], name
        if name in ("rao-wu", "rliable", "basic", "bc"):
            found = estimate(X, ["iqm"], Resampling(1000, 7, name))["iqm"]
            assert (low[0], high[0]) == pytest.approx((found.low, found.high), rel=1e-12), name


def test_bounds_have_the_shape_of_the_points() -> None:
    resamples = Resamples(5, 17, RAO_WU)
    draws = np.stack([resamples.mean(X), resamples.iqm(X)])
    low, high = bounds(np.array([X.mean(), 1.0]), draws, RAO_WU, [resamples])
    assert low.shape == high.shape == (2,)
    alone = np.array(bounds(np.asarray(1.0), draws[1], RAO_WU, [resamples]))
    assert [low[1], high[1]] == pytest.approx(alone.tolist(), rel=1e-6)
