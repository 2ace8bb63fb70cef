"""How a background thread leaves the processors to training."""

from __future__ import annotations

import threading
import time

SHARE = 0.05
"""Of the time, at most: with two torch threads on two cores an update takes three times as long beside the writer."""

PIECE_SECONDS = 0.002
"""The least work between two rests: each time it wakes it interrupts an update."""


class Breather:
    """A thread that rests in it after each piece of work works `share` of the time, until it is hurried."""

    def __init__(self, share: float = SHARE) -> None:
        self._rest_per_work = 1 / share - 1
        self._hurried = threading.Event()
        self._rested = time.monotonic()

    def rest(self) -> None:
        """Waits in proportion to the work since the last rest, but not at all if that is little or there is a hurry."""
        worked = time.monotonic() - self._rested
        if worked < PIECE_SECONDS:
            return
        self._hurried.wait(worked * self._rest_per_work)
        self._rested = time.monotonic()

    def hurry(self) -> None:
        """Somebody waits for the work: no more rest."""
        self._hurried.set()
