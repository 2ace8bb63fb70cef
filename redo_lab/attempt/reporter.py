"""How a run tells how far it is: status.json, throughput.csv, and a bar on a terminal or lines elsewhere."""

from __future__ import annotations

import logging
import os
import resource
import socket
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.config import ProgressConfig
from redo_lab.runs import status
from redo_lab.runs.lease import Lease
from redo_lab.runs.names import TRAINING_RETURN, dormant_percent
from redo_lab.runs.record import Record, Throughput
from redo_lab.runs.status import State, Status, duration
from redo_lab.types import Counters

LOG = logging.getLogger("redo_lab")


class Reporter:
    """Writes status.json from the moment it is made until `end`."""

    def __init__(
        self,
        config: ProgressConfig,
        *,
        directory: Path,
        record: Record,
        log: MetricsLog,
        env_steps: int,
        lease: Lease,
        device: str | None = None,
    ) -> None:
        """The lease is renewed with every writing of the status, which it forbids once it is lost."""
        self.config = config
        self.directory = directory
        self.record = record
        self.log = log
        self.total_env_steps = env_steps
        self.lease = lease
        self.device = device
        self.started = self.refreshed = self.lined = time.monotonic()
        self.previous = Counters()
        self.rate: float | None = None
        self.bar = _Bar(directory, env_steps) if sys.stderr.isatty() else None
        self.write(Counters(), State.RUNNING, None)

    def tick(self, counters: Counters) -> None:
        """Cheap when nothing is due."""
        now = time.monotonic()
        if now - self.refreshed < self.config.refresh_seconds:
            return
        self._refresh(counters, now)
        if self.bar is not None:
            self.bar.show(counters.env_steps, self._summary(counters))
        elif now - self.lined >= self.config.line_seconds:
            self.lined = now
            LOG.info("%s", self._summary(counters))

    def end(self, counters: Counters, state: State, error: str | None) -> None:
        """The last refresh: everything logged is on disk and the status is `state`."""
        self._refresh(counters, time.monotonic())
        if self.bar is not None:
            self.bar.show(counters.env_steps, self._summary(counters))
            self.bar.stop()
        self.write(counters, state, error)
        LOG.info("%s: %s", state.value, self._summary(counters))

    def _refresh(self, counters: Counters, now: float) -> None:
        self.log.flush()
        seconds = max(now - self.refreshed, 1e-9)
        env_steps = counters.env_steps - self.previous.env_steps
        updates = counters.updates - self.previous.updates
        self.refreshed = now
        self.rate = smoothed(self.rate, env_steps / seconds)
        self.previous = Counters(counters.env_steps, counters.updates, counters.episodes)
        self.record.throughput(
            Throughput(
                round(now - self.started, 3),
                counters.env_steps,
                counters.updates,
                round(env_steps / seconds, 3),
                round(updates / seconds, 3),
                peak_memory_mb(),
            )
        )
        self.write(counters, State.RUNNING, None)

    def write(self, counters: Counters, state: State, error: str | None) -> None:
        """The status is `state` with `error`; the lease is renewed, LeaseLost if it is not ours any more."""
        self.lease.renew()
        status.write(
            self.directory,
            Status(
                state=state,
                env_steps=counters.env_steps,
                total_env_steps=self.total_env_steps,
                updates=counters.updates,
                episodes=counters.episodes,
                rate_env_steps_per_s=self.rate,
                heartbeat=time.time(),
                attempt=self.lease.attempt,
                error=error,
                last_return=self.log.latest.get(TRAINING_RETURN),
                dormant_percent=dormant_percent(self.log.latest),
                host=socket.gethostname(),
                pid=os.getpid(),
                device=self.device,
            ),
            self.lease.check,
        )

    def _summary(self, counters: Counters) -> str:
        left = self.total_env_steps - counters.env_steps
        eta = "?" if not self.rate else duration(left / self.rate)
        last = self.log.latest.get(TRAINING_RETURN)
        dormant = dormant_percent(self.log.latest)
        parts = [
            f"{counters.env_steps:,}/{self.total_env_steps:,} steps",
            f"{self.rate or 0:.0f}/s",
            f"ETA {eta}",
            f"return {'–' if last is None else format(last, 'g')}",
            f"dormant {'–' if dormant is None else format(dormant, '.1f') + ' %'}",
        ]
        return " · ".join(parts)


class _Bar:
    def __init__(self, directory: Path, total: int) -> None:
        self.progress = Progress(
            BarColumn(bar_width=16),
            TextColumn("{task.fields[summary]}"),
            console=Console(stderr=True),
        )
        self.progress.console.print(f"training {directory}", soft_wrap=True, highlight=False)
        self.task: TaskID = self.progress.add_task("", total=total, summary="")
        self.progress.start()

    def show(self, env_steps: int, summary: str) -> None:
        self.progress.update(self.task, completed=env_steps, summary=summary)

    def stop(self) -> None:
        self.progress.stop()


def smoothed(rate: float | None, newest: float) -> float:
    """A moving average that follows changes within about ten refreshes."""
    return newest if rate is None else 0.8 * rate + 0.2 * newest


def peak_memory_mb() -> float:
    """Most memory this process has held, in MB (ru_maxrss is in KiB on Linux, in bytes on macOS)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
