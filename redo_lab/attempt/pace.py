"""How fast a run goes on the whole: the pace of its training, and how much of its time that takes."""

from __future__ import annotations

from redo_lab.types import Progress

TRAINING = "training"
MEMORY = 0.8
"""The weight of the average so far, at a refresh that was all training: it follows changes within about ten of them."""


class Pace:
    """Measures the rate of a run from its steps; times are seconds of a clock that the caller reads."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None
        self._training_seconds = self._other_seconds = 0.0
        self._new_seconds, self._new_done = 0.0, 0
        self._new_other_seconds = 0.0
        self._smoothed: float | None = None

    @property
    def rate(self) -> float | None:
        """Units a second, evaluations counted in; None before training has been measured."""
        if self._smoothed is None:
            return None
        return self._smoothed * self._training_seconds / (self._training_seconds + self._other_seconds)

    def step(self, now: float, progress: Progress) -> None:
        """A step in `progress.phase` ended `now`. The first only starts the clock: what was before it is no step."""
        if self._last is not None:
            seconds, done = now - self._last[0], progress.done - self._last[1]
            if progress.phase == TRAINING:
                self._new_seconds += seconds
                self._new_done += done
            else:
                self._new_other_seconds += seconds
        self._last = (now, progress.done)

    def measure(self) -> None:
        """The rate takes in the steps since the last call."""
        trained, other = self._new_seconds, self._new_other_seconds
        if trained > 0:
            newest, weight = self._new_done / trained, MEMORY ** (trained / (trained + other))
            self._smoothed = newest if self._smoothed is None else weight * self._smoothed + (1 - weight) * newest
        self._training_seconds += trained
        self._other_seconds += other
        self._new_seconds, self._new_done, self._new_other_seconds = 0.0, 0, 0.0
