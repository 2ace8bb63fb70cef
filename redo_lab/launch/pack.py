"""What one Slurm job does: several runs side by side on its GPUs, each in a process of its own, whatever ends them."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from redo_lab.launch.board import Job
from redo_lab.launch.child import Child, Command, train_command, write_pending
from redo_lab.launch.owners import held
from redo_lab.runs import status
from redo_lab.runs.atomic import write_json
from redo_lab.runs.reading import read_object, warn_once
from redo_lab.runs.status import State

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

LOG = logging.getLogger("redo_lab")
CRASHES_NAME = "crashes.json"
POLL_SECONDS = 0.2
OVER = (State.FINISHED, State.FAILED, State.INTERRUPTED)


@dataclass(frozen=True)
class Settings:
    """at_once: runs at the same time; gpus: of the job, shared out among them; max_crashes: of one run, over all jobs.

    grace_seconds: between the warning and the end of the job. held_seconds: before a run that another process has is
    tried again. settle_seconds: a child that dies of a signal may be the first of us all, so its end is judged later.
    """

    at_once: int
    gpus: int
    threads_per_run: int
    max_crashes: int
    grace_seconds: float
    held_seconds: float = 30.0
    settle_seconds: float = 3.0


class Pack:
    """Call it to do its runs; submitit pickles it, calls it in the job and `checkpoint` when the job is to be ended."""

    def __init__(self, jobs: Sequence[Job], settings: Settings, command: Command = train_command) -> None:
        self.jobs = list(jobs)
        self.settings = settings
        self.command = command
        self._clear()

    def _clear(self) -> None:
        self._children: dict[int, Child] = {}
        self._not_before: dict[Path, float] = {}
        self._refused: set[Path] = set()
        self._stopping = False

    def __getstate__(self) -> dict[str, Any]:
        """The jobs of this pack, whether they run now or not."""
        return {"jobs": self.jobs, "settings": self.settings, "command": self.command}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._clear()

    def __call__(self) -> dict[str, str]:
        """Every run is finished or has failed too often, or the job is being ended; the state of each by directory."""
        before = signal.signal(signal.SIGTERM, self._note)
        waiting = deque(job for job in self.jobs if not self._over(job))
        try:
            while self._children or (waiting and not self._stopping):
                self._start(waiting)
                self._reap(waiting)
                time.sleep(POLL_SECONDS)
        finally:
            for child in self._children.values():
                child.kill()
            signal.signal(signal.SIGTERM, before)
        ends = {str(job.directory): status.read(job.directory) for job in self.jobs}
        return {directory: end.state.value if end else "unknown" for directory, end in ends.items()}

    def checkpoint(self) -> DelayedSubmission:
        """In submitit's handler of USR2: every run has saved, and the job will be queued again as it was asked for."""
        from submitit.helpers import DelayedSubmission

        self._stop(signal.SIGUSR2)
        end = time.monotonic() + self.settings.grace_seconds
        while time.monotonic() < end and not all(child.gone() for child in self._children.values()):
            time.sleep(POLL_SECONDS)
        return DelayedSubmission(self)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._stop(signal.SIGTERM)

    def _stop(self, number: int) -> None:
        self._stopping = True
        for child in self._children.values():
            if not child.gone():
                os.kill(child.process.pid, number)

    def _over(self, job: Job) -> bool:
        last = status.read(job.directory)
        if last is not None and last.state is State.FINISHED:
            return True
        return crashes(job.directory) >= self.settings.max_crashes

    def _start(self, waiting: deque[Job]) -> None:
        for _ in range(len(waiting)):
            free = [slot for slot in range(self.settings.at_once) if slot not in self._children]
            if self._stopping or not free:
                return
            job = waiting.popleft()
            if self._not_before.get(job.directory, 0.0) > time.monotonic():
                waiting.append(job)
                continue
            write_pending(job)
            environment = _gpu_of(free[0], self.settings)
            self._children[free[0]] = Child(
                job, self.command(job.directory), self.settings.threads_per_run, environment
            )

    def _reap(self, waiting: deque[Job]) -> None:
        for slot, child in list(self._children.items()):
            if child.process.poll() is None:
                continue
            del self._children[slot]
            job = child.running.job
            if child.refused() and (held(job.directory) or job.directory not in self._refused):
                self._refused.add(job.directory)
                LOG.info("%s: another process works on it", job.directory)
                self._not_before[job.directory] = time.monotonic() + self.settings.held_seconds
                waiting.append(job)
            elif self._goes_on(child):
                self._not_before[job.directory] = time.monotonic() + self.settings.settle_seconds
                waiting.append(job)

    def _goes_on(self, child: Child) -> bool:
        """Whether the run of `child`, which has ended, is to be started again; a crash is counted."""
        if child.process.returncode < 0:
            # Killed: perhaps the whole job is, and then this process is next and the run has not crashed.
            time.sleep(self.settings.settle_seconds)
        ended = child.final_status(self._stopping)
        if ended.state is not State.FAILED:
            return ended.state not in OVER and not self._stopping
        if child.mistaken():
            LOG.warning("%s: not tried again: %s", child.running.job.directory, ended.error)
            return False
        count = crashes(child.running.job.directory) + 1
        write_json(child.running.job.directory / CRASHES_NAME, {"crashes": count, "last_error": ended.error})
        LOG.warning("%s: crash %d of %d", child.running.job.directory, count, self.settings.max_crashes)
        return count < self.settings.max_crashes


def crashes(directory: Path) -> int:
    """How often the run in `directory` has crashed since it was made or `redo-lab retry` forgave it."""
    path = directory / CRASHES_NAME
    try:
        return int(read_object(path)["crashes"])
    except FileNotFoundError:
        return 0
    except (ValueError, TypeError, KeyError) as error:
        warn_once(f"{path} says no number of crashes, and is taken for none: {error}")
        return 0


def _gpu_of(slot: int, settings: Settings) -> dict[str, str]:
    """The GPU of the job that the run in `slot` sees, neighbours in turn; nothing where Slurm has named none."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if settings.gpus < 2 or not visible:
        return {}
    return {"CUDA_VISIBLE_DEVICES": visible[slot % len(visible)]}
