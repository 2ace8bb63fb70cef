"""How a run tells how far it is: status.json, throughput.csv, and a bar on a terminal or lines elsewhere."""

from __future__ import annotations

import logging
import os
import resource
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.attempt.pace import Pace
from redo_lab.config import ProgressConfig
from redo_lab.runs import status
from redo_lab.runs.lease import Lease
from redo_lab.runs.record import Record, Throughput
from redo_lab.runs.status import State, Status, duration, headline_text
from redo_lab.types import Counters, Progress

LOG = logging.getLogger("redo_lab")


class Reported(Protocol):
    """What a study reports about itself."""

    def progress(self) -> Progress: ...
    def clocks(self) -> Counters: ...
    def headline(self) -> Mapping[str, float]: ...


class Reporter:
    """Writes status.json from its construction until `end`."""

    def __init__(
        self,
        config: ProgressConfig,
        *,
        directory: Path,
        record: Record,
        log: MetricsLog,
        total: int,
        unit: str,
        lease: Lease,
        device: str | None = None,
    ) -> None:
        """total: the length of the run in `unit`s. Every write of the status renews the lease;
        once that is lost, nothing is written."""
        self.config = config
        self.directory = directory
        self.record = record
        self.log = log
        self.lease = lease
        self.device = device
        self.progress = Progress(0, total, unit, "start")
        self.clocks = Counters()
        self.headline: dict[str, float] = {}
        self.pace = Pace()
        self.stepped: float | None = None
        self.started = self.refreshed = self.lined = time.monotonic()
        self.write(State.RUNNING, None)
        self.bar = _Bar(directory, total) if sys.stderr.isatty() else None

    def tick(self, study: Reported) -> None:
        """After each step of `study`; cheap when nothing is due."""
        now = time.monotonic()
        self.progress = study.progress()
        self.pace.step(now, self.progress)
        if now - self.refreshed < self.config.refresh_seconds:
            return
        self.stepped = time.time()
        self._refresh(study, now)
        if self.bar is not None:
            self.bar.show(self.progress.done, self._summary())
        elif now - self.lined >= self.config.line_seconds:
            self.lined = now
            LOG.info("%s", self._summary())

    def end(self, study: Reported | None, state: State, error: str | None) -> None:
        """The last refresh: everything logged is on disk and the status is `state`. None: the study never began."""
        if study is not None:
            self.progress = study.progress()
            self._refresh(study, time.monotonic())
        if self.bar is not None:
            self.bar.show(self.progress.done, self._summary())
        self.close()
        self.write(state, error)
        LOG.info("%s: %s", state.value, self._summary())

    def close(self) -> None:
        """The terminal is as it was before: a bar that goes on would hide its cursor for good."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _refresh(self, study: Reported, now: float) -> None:
        self.log.flush()
        seconds, clocks = max(now - self.refreshed, 1e-9), study.clocks()
        env_steps, updates = clocks.env_steps - self.clocks.env_steps, clocks.updates - self.clocks.updates
        self.refreshed = now
        self.pace.measure()
        self.clocks, self.headline = replace(clocks), dict(study.headline())
        self.record.throughput(
            Throughput(
                round(now - self.started, 3),
                clocks.env_steps,
                clocks.updates,
                round(env_steps / seconds, 3),
                round(updates / seconds, 3),
                peak_memory_mb(),
            )
        )
        self.write(State.RUNNING, None)

    def write(self, state: State, error: str | None) -> None:
        """The status is `state` with `error`; the lease is renewed, LeaseLost if it is not ours any more."""
        self.lease.renew()
        status.write(
            self.directory,
            Status(
                state=state,
                done=self.progress.done,
                total=self.progress.total,
                unit=self.progress.unit,
                phase=self.progress.phase,
                rate_per_s=self.pace.rate,
                headline=self.headline,
                updates=self.clocks.updates,
                heartbeat=time.time(),
                stepped=self.stepped,
                attempt=self.lease.attempt,
                error=error,
                host=socket.gethostname(),
                pid=os.getpid(),
                device=self.device,
            ),
            self.lease.check,
        )

    def _summary(self) -> str:
        at, rate = self.progress, self.pace.rate
        eta = duration((at.total - at.done) / rate) if rate else "?"
        parts = [f"{at.done:,}/{at.total:,} {at.unit}", f"{rate or 0:.0f}/s", f"ETA {eta}"]
        return " · ".join([*parts, *headline_text(self.headline)])


class _Bar:
    def __init__(self, directory: Path, total: int) -> None:
        self.progress = Bars(
            BarColumn(bar_width=16),
            TextColumn("{task.fields[summary]}"),
            console=Console(stderr=True),
        )
        self.progress.console.print(f"training {directory}", soft_wrap=True, highlight=False)
        self.task: TaskID = self.progress.add_task("", total=total, summary="")
        self.progress.start()

    def show(self, done: int, summary: str) -> None:
        self.progress.update(self.task, completed=done, summary=summary)

    def stop(self) -> None:
        self.progress.stop()


def peak_memory_mb() -> float:
    """Most memory this process has held, in MB (ru_maxrss is in KiB on Linux, in bytes on macOS)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
