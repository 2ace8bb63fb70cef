"""The rate of a run, on a clock of the tests' own."""

from __future__ import annotations

import pytest

from redo_lab.attempt.pace import Pace
from redo_lab.types import Progress


def train(pace: Pace, start: float, seconds: float, per_second: int, done: int) -> tuple[float, int]:
    """A step every tenth of a second, measured every second; returns when and where it ended."""
    for tenth in range(1, round(10 * seconds) + 1):
        pace.step(start + tenth / 10, Progress(done + tenth * per_second // 10, 10**6, "epochs", "training"))
        if tenth % 10 == 0:
            pace.measure()
    return start + seconds, done + round(seconds * per_second)


def evaluate(pace: Pace, start: float, seconds: float, done: int) -> float:
    for tenth in range(1, round(10 * seconds) + 1):
        pace.step(start + tenth / 10, Progress(done, 10**6, "epochs", "evaluation"))
        if tenth % 10 == 0:
            pace.measure()
    return start + seconds


def test_before_training_there_is_no_rate() -> None:
    pace = Pace()
    assert pace.rate is None
    evaluate(pace, 0.0, 5.0, done=0)
    assert pace.rate is None


def test_training_alone_goes_at_its_own_rate() -> None:
    pace = Pace()
    pace.step(50.0, Progress(0, 10**6, "epochs", "training"))
    train(pace, 50.0, 20.0, 100, 0)
    assert pace.rate == pytest.approx(100.0)


def test_a_long_evaluation_takes_its_share_and_no_more() -> None:
    """The rate does not decay while nothing is trained: 10 s of 40 at 100 a second are 25 a second."""
    pace = Pace()
    pace.step(0.0, Progress(0, 10**6, "epochs", "training"))
    now, done = train(pace, 0.0, 10.0, 100, 0)
    now = evaluate(pace, now, 30.0, done)
    assert pace.rate == pytest.approx(25.0)
    train(pace, now, 20.0, 100, done)
    assert pace.rate == pytest.approx(50.0)


def test_a_new_pace_shows_within_some_ten_refreshes_of_training_however_they_fall() -> None:
    """Halves of refreshes that are evaluation count half."""
    rates = []
    for with_evaluations in (False, True):
        pace = Pace()
        pace.step(0.0, Progress(0, 10**6, "epochs", "training"))
        now, done = train(pace, 0.0, 10.0, 100, 0)
        for _ in range(20):
            for _ in range(5):
                now += 0.1
                done += 20
                pace.step(now, Progress(done, 10**6, "epochs", "training"))
            if with_evaluations:
                now = now + 0.5
                pace.step(now, Progress(done, 10**6, "epochs", "evaluation"))
            pace.measure()
        rates.append(pace.rate * (3 / 2 if with_evaluations else 1))
    assert 195 < rates[0] <= 200
    assert rates[1] == pytest.approx(200 - 100 * 0.8**10)
