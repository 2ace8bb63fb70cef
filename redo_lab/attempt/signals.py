"""Requests to stop: the first signal ends a run at the next step, a Ctrl-C after it at once.

So does a SIGTERM after it, if no step comes: the environment hangs.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from redo_lab.runs.status import State

ENDINGS = {
    signal.SIGINT: State.INTERRUPTED,
    signal.SIGTERM: State.PREEMPTED,
    signal.SIGUSR2: State.PREEMPTED,
}

GRACE_SECONDS = 20.0
"""A run that takes no step for so long after the first signal ends at the next SIGTERM, without saving."""


class Stopped(Exception):
    """Raised by `Stop.check` in the run that is to stop."""


class Stop:
    """Remembers the first signal. An exception raised in a handler could be swallowed by whatever code it meets."""

    def __init__(self) -> None:
        self.state: State | None = None
        self._signal_time = 0.0
        self._obeyed = False

    def check(self) -> None:
        """Raises Stopped when a signal has come."""
        if self.state is not None:
            self._obeyed = True
            raise Stopped

    def note(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.state is None:
            self.state, self._signal_time = ENDINGS[signal.Signals(number)], time.monotonic()
        elif number == signal.SIGINT or (number == signal.SIGTERM and self._hangs()):
            # Schedulers send USR2 and then TERM, to every process, more than once: only a person is impatient.
            raise KeyboardInterrupt

    def _hangs(self) -> bool:
        """Whether the run has taken no step in GRACE_SECONDS since the signal: maybe its environment hangs."""
        return not self._obeyed and time.monotonic() - self._signal_time >= GRACE_SECONDS


@contextmanager
def stopping() -> Iterator[Stop]:
    """Within the context, SIGINT, SIGTERM and SIGUSR2 ask for a stop. Only the main thread may do this."""
    stop = Stop()
    before = {number: signal.signal(number, stop.note) for number in ENDINGS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
