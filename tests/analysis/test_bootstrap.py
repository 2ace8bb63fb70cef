"""Our bootstrap against rliable's: the same scheme, the same point estimates, the same intervals but for chance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import numpy as np
import pytest
import scipy.stats
from rliable import library, metrics

from redo_lab.analysis.aggregate import METRICS, difference, estimate, improvement, over_time, profile
from redo_lab.analysis.bootstrap import Resamples, Resampling
from redo_lab.analysis.intervals import bounds

OURS = Resampling(20_000, 0, "rliable")
THEIRS = 2_000
X = np.random.default_rng(0).lognormal(0.0, 1.0, size=(5, 17))
Y = np.random.default_rng(1).lognormal(0.3, 1.0, size=(4, 17))


@contextmanager
def seeded() -> Iterator[None]:
    """rliable 1.2.0 draws from NumPy's global generator whatever its random_state says."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    yield
    np.random.set_state(before)  # noqa: NPY002


def close(ours: tuple[float, float], theirs: np.ndarray, part: float = 0.1) -> None:  # type: ignore[type-arg]
    """Both ends agree within a tenth of the interval: some four standard errors of a quantile of 2000 resamples."""
    allowed = part * (theirs[1] - theirs[0])
    assert abs(ours[0] - theirs[0]) < allowed, (ours, theirs)
    assert abs(ours[1] - theirs[1]) < allowed, (ours, theirs)


@pytest.mark.parametrize(("method", "tasks"), [("rliable", False), ("basic", False), ("bc", False), ("rliable", True)])
def test_aggregates_equal_rliables(method: str, tasks: bool) -> None:
    found = estimate(X, list(METRICS), Resampling(20_000, 0, method, tasks))
    with seeded():
        points, intervals = library.get_interval_estimates(
            {"x": X},
            lambda x: np.array([function(x) for function in METRICS.values()]),
            method="percentile" if method == "rliable" else method,
            task_bootstrap=tasks,
            reps=THEIRS,
        )
    for at, name in enumerate(METRICS):
        assert found[name].value == points["x"][at]
        assert found[name].low is not None
        assert found[name].high is not None
        # Bias correction moves the percentile with the resamples' own median: of a median that jumps.
        close((found[name].low, found[name].high), intervals["x"][:, at], 0.3 if method == "bc" else 0.1)


def test_probability_of_improvement_equals_rliables() -> None:
    with_ties = np.round(Y, 0)
    found = improvement(("x", np.round(X, 0)), ("y", with_ties), OURS)
    with seeded():
        points, intervals = library.get_interval_estimates(
            {"xy": [np.round(X, 0), with_ties]},
            lambda x, y: np.array([metrics.probability_of_improvement(x, y)]),
            reps=500,
        )
    assert found.value == points["xy"][0]
    assert found.low is not None
    assert found.high is not None
    close((found.low, found.high), intervals["xy"][:, 0])


def test_profiles_equal_rliables() -> None:
    thresholds = np.array([0.0, 0.5, 1.0, X[2, 3], 4.0, 100.0])
    found = profile(X, thresholds, OURS)
    with seeded():
        points, intervals = library.create_performance_profile({"x": X}, thresholds, reps=THEIRS)
    assert found.value.tolist() == points["x"].tolist()
    assert found.low is not None
    assert found.high is not None
    np.testing.assert_allclose(found.low, intervals["x"][0], atol=0.013)  # a run of 85 is 0.012
    np.testing.assert_allclose(found.high, intervals["x"][1], atol=0.013)


def test_every_statistic_is_that_of_its_resample() -> None:
    """Drawn by hand from the same indices, without and with games drawn, too."""
    for tasks, name in product((False, True), METRICS):
        resamples = Resamples(5, 17, Resampling(50, 3, "rliable", tasks=tasks), "m")
        drawn = getattr(resamples, name)(X)
        for at in range(50):
            games = np.arange(17) if resamples._tasks is None else resamples._tasks[:, at]
            matrix = np.stack(
                [X[resamples._seed_indices[place, :, at], game] for place, game in enumerate(games)], axis=1
            )
            assert drawn[at] == pytest.approx(METRICS[name](matrix), rel=1e-12), (tasks, name)


def test_every_profile_is_that_of_its_resample() -> None:
    thresholds = [-1.0, float(X[2, 3]), 1.0, 100.0]
    resamples = Resamples(5, 17, Resampling(50, 3, "rliable"), "m")
    drawn = resamples.profile(X, thresholds)
    for at in range(50):
        matrix = np.stack([X[resamples._seed_indices[game, :, at], game] for game in range(17)], axis=1)
        assert drawn[:, at] == pytest.approx([(matrix > threshold).mean() for threshold in thresholds], rel=1e-12)


@pytest.mark.parametrize("shape", [(2, 1), (5, 60), (300, 3)])
def test_counts_hold_for_few_and_for_many_runs(shape: tuple[int, int]) -> None:
    """More than 255 runs, or seeds, don't overflow a byte."""
    scores = np.random.default_rng(2).normal(size=shape)
    resamples = Resamples(*shape, Resampling(200, 0, "rliable"))
    assert (resamples.counts.sum(axis=0) == scores.size).all()
    per_game = resamples.counts.reshape(shape[1], shape[0], -1).sum(axis=1)
    assert (per_game == shape[0]).all()
    assert resamples.iqm(scores).mean() == pytest.approx(scipy.stats.trim_mean(scores.ravel(), 0.25), abs=0.3)


def test_curves_equal_the_aggregate_at_every_point() -> None:
    scores = np.random.default_rng(2).normal(size=(5, 3, 4))
    for name in ("iqm", "mean"):
        line = over_time(scores, name, OURS, "m")
        assert line.low is not None
        assert line.high is not None
        for point in range(4):
            alone = estimate(scores[..., point], [name], OURS, "m")[name]
            assert line.value[point] == pytest.approx(alone.value)
            assert (line.low[point], line.high[point]) == (alone.low, alone.high)


def test_a_difference_is_zero_to_itself_and_has_the_spread_of_two() -> None:
    scores = np.random.default_rng(3).normal(size=(10, 8))
    same = difference(("a", scores), ("b", scores), OURS)
    one = estimate(scores, ["iqm"], OURS, "a")["iqm"]
    assert same.value == 0
    assert same.low is not None and same.high is not None and one.low is not None and one.high is not None  # noqa: PT018
    assert same.low < 0 < same.high
    assert (same.high - same.low) / (one.high - one.low) == pytest.approx(np.sqrt(2), rel=0.05)
    better = difference(("a", scores + 1), ("b", scores), OURS)
    assert better.value == pytest.approx(1)
    assert better.low is not None
    assert better.low > 0


def test_a_paired_difference_knows_what_the_seeds_have_in_common() -> None:
    scores = np.random.default_rng(3).normal(size=(10, 8))
    paired = Resampling(2000, 0, paired=True)
    found = difference(("a", scores + 1), ("b", scores), paired)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))
    shuffled = difference(("a", scores + 1), ("b", scores[::-1]), paired)
    assert shuffled.low is not None
    assert shuffled.low < 0.9
    with pytest.raises(ValueError, match="a and b can't be paired: 10 and 9 seeds"):
        difference(("a", scores), ("b", scores[:9]), paired)


def test_the_interval_of_a_method_does_not_depend_on_the_others_and_two_are_independent() -> None:
    first, second = (Resamples(5, 17, OURS, name).iqm(X) for name in ("a", "b"))
    assert (Resamples(5, 17, OURS, "a").iqm(X) == first).all()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_rliables_intervals_cover_the_truth_as_often_as_measured() -> None:
    """2000 studies of 10 seeds × 10 games of known distribution; the truth is the IQM of 200 000 runs a game."""
    generator = np.random.default_rng(5)
    centres = np.linspace(0, 2, 10)
    truth = scipy.stats.trim_mean((generator.normal(size=(200_000, 10)) * 0.5 + centres).ravel(), 0.25)
    inside = 0
    for study in range(2000):
        scores = generator.normal(size=(10, 10)) * 0.5 + centres
        resampling = Resampling(1000, study, "rliable")
        resamples = Resamples(10, 10, resampling)
        low, high = bounds(np.asarray(0.0), resamples.iqm(scores), resampling, [resamples])
        inside += low <= truth <= high
    assert 0.92 <= inside / 2000 <= 0.97, inside / 2000


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="repetitions must be ≥ 1, got 0"):
        Resampling(0, 0)
    with pytest.raises(ValueError, match="seed must be in"):
        Resampling(10, -1)
    with pytest.raises(ValueError, match="one of rao-wu, rliable, basic, bc, got bca"):
        Resampling(10, 0, "bca")
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, got 95"):
        Resampling(10, 0, confidence=95)
