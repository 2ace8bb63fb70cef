"""How the runs below some folders stand: their own word, and the scheduler's where they have none."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from redo_lab.launch import scheduler
from redo_lab.launch.names import short_axes
from redo_lab.launch.record import Sweep, SweepRun, jobs_of, sweeps_below
from redo_lab.runs import lease, status
from redo_lab.runs.status import State, Status
from redo_lab.runs.table import find_runs

DEAD_SECONDS = 120
"""A running process writes its status every second or few; without a word for so long it is taken for dead."""


class Seen(StrEnum):
    """How a run stands for who looks from outside: a `State`, or lost."""

    RUNNING = "running"
    LOST = "lost"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    PREEMPTED = "preempted"
    PENDING = "pending"
    FINISHED = "finished"


OVER = (Seen.FINISHED, Seen.FAILED, Seen.LOST, Seen.INTERRUPTED, Seen.PREEMPTED)
"""Nobody works on these, and no job waits for them."""


@dataclass(frozen=True)
class Row:
    """A run. eta_seconds at the rate seen last; heartbeat_age in seconds; job, node: empty where none is known.

    node: where it runs, or why its job waits, in brackets.
    """

    directory: str
    run_id: str
    name: str
    state: Seen
    env_steps: int
    total_env_steps: int
    rate_env_steps_per_s: float | None
    eta_seconds: float | None
    last_return: float | None
    dormant_percent: float | None
    attempt: int
    node: str
    job: str
    heartbeat_age: float | None
    error: str | None


class Overview:
    """The runs at or below `paths`; ValueError where there is none."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.sweeps: list[Sweep] = sweeps_below([*paths, *(path.parent for path in paths if _is_run(path))])
        self.directories = [path.resolve() for path in find_runs(paths)]

    def rows(self) -> list[Row]:
        """A row per run, in the order of their directories; Slurm is asked once, if any run could wait for it."""
        jobs = {path.resolve(): job for path, job in jobs_of(self.sweeps).items()}
        found = {directory: _status(directory) for directory in self.directories}
        open_jobs = {jobs[d] for d, seen in found.items() if d in jobs and not _settled(seen)}
        answer = scheduler.ask(open_jobs)
        now = time.time()
        return [_row(d, found[d], jobs.get(d, ""), answer, now) for d in self.directories]

    def recorded(self) -> Mapping[Path, tuple[SweepRun, Sweep]]:
        """The newest submission of each run that has one, by its directory."""
        return {Path(run.directory).resolve(): (run, sweep) for sweep in self.sweeps for run in sweep.runs}


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many runs stand how, those that need a look first."""
    found = Counter(row.state for row in rows)
    return {state.value: found[state] for state in Seen if found[state]}


def _is_run(path: Path) -> bool:
    return (path / "run.json").exists()


def _status(directory: Path) -> Status | None:
    try:
        return status.read(directory)
    except ValueError:
        return None


def _settled(found: Status | None) -> bool:
    return found is not None and found.state in (State.FINISHED, State.FAILED)


def _row(directory: Path, found: Status | None, job: str, answer: scheduler.Answer, now: float) -> Row:
    run = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    at = answer.jobs.get(job)
    rate = found.rate_env_steps_per_s if found else None
    state = _state(directory, found, at, bool(job) and answer.complete, now)
    steps, total = (found.env_steps, found.total_env_steps) if found else (0, run["env_steps"])
    return Row(
        directory=str(directory),
        run_id=run["run_id"],
        name=short_axes(run["axes"]),
        state=state,
        env_steps=steps,
        total_env_steps=total,
        rate_env_steps_per_s=rate if state is Seen.RUNNING else None,
        eta_seconds=(total - steps) / rate if rate and state is Seen.RUNNING else None,
        last_return=found.last_return if found else None,
        dormant_percent=found.dormant_percent if found else None,
        attempt=found.attempt if found else 0,
        node=_place(at, found),
        job=job,
        heartbeat_age=max(0.0, now - found.heartbeat) if found else None,
        error=found.error if found else None,
    )


def _place(at: scheduler.Job | None, found: Status | None) -> str:
    if at is not None and (at.node or at.state in scheduler.WAITING):
        return at.node or (f"({at.reason})" if at.reason not in ("", "None") else "")
    return found.host if found and found.pid else ""


def _state(directory: Path, found: Status | None, at: scheduler.Job | None, job_known: bool, now: float) -> Seen:
    """`at`: its job in Slurm's words; job_known: it has one, and Slurm would know if that still waited or ran."""
    state = Seen(found.state.value) if found else Seen.PENDING
    if state in (Seen.FINISHED, Seen.FAILED):
        return state
    if state is Seen.RUNNING and found is not None and _alive(directory, found, now):
        return state
    if at is not None and at.state in scheduler.WAITING | scheduler.RUNNING:
        # Queued again, or just started and not yet at work.
        return Seen.PENDING
    if state is Seen.RUNNING or (job_known and state is Seen.PENDING):
        return Seen.LOST
    return state


def _alive(directory: Path, found: Status, now: float) -> bool:
    """A process of this machine is looked at; of one elsewhere the heartbeat tells, if the clocks agree somewhat."""
    owner = lease.owner_of(directory)
    if owner is not None and (seen := lease.lives(owner)) is not None:
        return seen
    return now - found.heartbeat < DEAD_SECONDS
