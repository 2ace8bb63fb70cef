"""Where a sweep stands: what waits, what runs, what has ended. The pool keeps it, the table shows it."""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

from redo_lab.runs.status import State, Status

TELLING_STEPS = 50


@dataclass(frozen=True)
class Job:
    """One run to do, `total` `unit`s long; `directory` holds its config.yaml and run.json."""

    name: str
    directory: Path
    total: int
    unit: str


@dataclass
class Running:
    """A run that is being done; `status` is the newest read, `started` on time.monotonic's clock."""

    job: Job
    started: float = field(default_factory=time.monotonic)
    status: Status | None = None

    @property
    def done(self) -> int:
        return self.status.done if self.status else 0

    @property
    def rate_per_s(self) -> float | None:
        """The run's pace; None while it says more of the start, or of the warm-up, than of the run."""
        at = self.status
        if at is None or not at.updates or self.done < min(TELLING_STEPS, self.job.total / 20):
            return None
        return at.rate_per_s


@dataclass(frozen=True)
class Ended:
    """A run as it ended, after `seconds`; 0: another process did it."""

    job: Job
    status: Status
    seconds: float


@dataclass
class Board:
    """A sweep at one moment. `finished_before`: the runs that were finished when the sweep was asked for.

    held: those of the waiting that other processes work on, and when (time.monotonic) each is looked at again.
    """

    runs_at_once: int
    finished_before: int = 0
    waiting: deque[Job] = field(default_factory=deque)
    running: list[Running] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    held: dict[Path, float] = field(default_factory=dict)
    stopping: bool = False

    @property
    def total(self) -> int:
        return self.finished_before + len(self.waiting) + len(self.running) + len(self.ended)

    def counts(self) -> Counter[State]:
        """How many runs have ended in which state."""
        return Counter(ended.status.state for ended in self.ended)

    def eta_seconds(self) -> float | None:
        """Until the last run ends, if all go at the pace so far; None before there is a pace."""
        pace = self._seconds_per_unit()
        if pace is None:
            return None
        slots = [self._seconds_left(running, pace) for running in self.running]
        slots += [0.0] * (self.runs_at_once - len(slots))
        heapq.heapify(slots)
        for job in () if self.stopping else self.waiting:
            heapq.heapreplace(slots, slots[0] + job.total * pace)
        return max(slots)

    def _seconds_per_unit(self) -> float | None:
        """Of the runs that finished, start and all; of those that run, before one has finished."""
        finished = [one for one in self.ended if one.status.state is State.FINISHED and one.seconds]
        if finished:
            return sum(one.seconds for one in finished) / max(1, sum(one.status.total for one in finished))
        measured = [one.rate_per_s for one in self.running if one.rate_per_s]
        return len(measured) / sum(measured) if measured else None

    @staticmethod
    def _seconds_left(running: Running, pace: float) -> float:
        rate = running.rate_per_s
        return (running.job.total - running.done) * (1 / rate if rate else pace)
