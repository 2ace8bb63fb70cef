"""How a background thread leaves the processors to training."""

from __future__ import annotations

import threading
import time

SHARE = 0.15
"""Of the time, at most: with two torch threads on two cores an update takes three times as long beside the writer."""


class Breather:
    """A thread that rests in it after each piece of work works `share` of the time, until it is hurried."""

    def __init__(self, share: float = SHARE) -> None:
        self._rest_per_work = 1 / share - 1
        self._hurried = threading.Event()
        self._rested = time.monotonic()

    def rest(self) -> None:
        """Returns after a while in proportion to the time since the last rest; at once if there is a hurry."""
        self._hurried.wait((time.monotonic() - self._rested) * self._rest_per_work)
        self._rested = time.monotonic()

    def hurry(self) -> None:
        """Somebody waits for the work: no more rest."""
        self._hurried.set()
