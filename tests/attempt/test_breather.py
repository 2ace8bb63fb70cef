"""A background thread's rests, on a clock that only they move."""

from __future__ import annotations

import threading
import time

import pytest

from redo_lab.attempt import breather
from redo_lab.attempt.breather import PIECE_SECONDS, Breather


class Clock:
    """A clock; and an event whose waits move it and are noted."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.hurried = False

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if not self.hurried:
            self.now += seconds

    def set(self) -> None:
        self.hurried = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(breather.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(breather.threading, "Event", lambda: clock)
    return clock


def test_it_works_the_share_of_the_time_that_it_is_given(clock: Clock) -> None:
    resting = Breather(0.2)
    for work in (1.0, 0.5, 3.0):
        clock.now += work
        resting.rest()
    assert clock.waits == pytest.approx([4.0, 2.0, 12.0])
    assert clock.now == pytest.approx(100 + 4.5 / 0.2)


def test_work_of_less_than_a_piece_is_added_up_before_it_rests(clock: Clock) -> None:
    resting = Breather(0.5)
    for _ in range(4):
        clock.now += PIECE_SECONDS * 0.3
        resting.rest()
    assert clock.waits == pytest.approx([PIECE_SECONDS * 1.2])


def test_once_somebody_waits_for_it_the_rests_are_over(clock: Clock) -> None:
    resting = Breather(0.2)
    clock.now += 1
    resting.hurry()
    resting.rest()
    assert clock.now == 101


def test_a_rest_that_has_begun_ends_with_the_hurry() -> None:
    resting = Breather(1e-9)
    time.sleep(2 * PIECE_SECONDS)
    begun = threading.Event()
    wait = resting._hurried.wait
    resting._hurried.wait = lambda seconds: begun.set() or wait(seconds)  # type: ignore[method-assign, func-returns-value]
    resting_thread = threading.Thread(target=resting.rest, daemon=True)
    resting_thread.start()
    assert begun.wait(20)
    resting.hurry()
    resting_thread.join(20)
    assert not resting_thread.is_alive()
