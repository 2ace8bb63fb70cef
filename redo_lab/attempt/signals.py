"""Being asked to stop: the first signal ends a run at the next agent step, a Ctrl-C after it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from redo_lab.runs.status import State

ENDINGS = {
    signal.SIGINT: State.INTERRUPTED,
    signal.SIGTERM: State.PREEMPTED,
    signal.SIGUSR2: State.PREEMPTED,
}


class Stopped(Exception):
    """Raised by `Stop.check` in the run that was asked to stop."""


class Stop:
    """Remembers the first signal. An exception raised in a handler could be swallowed by whatever code it meets."""

    def __init__(self) -> None:
        self.state: State | None = None

    def check(self) -> None:
        """Raises Stopped when a signal has come."""
        if self.state is not None:
            raise Stopped

    def note(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.state is None:
            self.state = ENDINGS[signal.Signals(number)]
        elif number == signal.SIGINT:
            # Schedulers send USR2 and then TERM, to every process, more than once: only a person is impatient.
            raise KeyboardInterrupt


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
