"""How the runs below some folders stand: their own word, and the scheduler's where they have none."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from redo_lab.launch import scheduler
from redo_lab.launch.names import distinct_names
from redo_lab.launch.record import Sweep, SweepRun, jobs_of, sweeps_below
from redo_lab.runs import about, lease, status
from redo_lab.runs.about import About
from redo_lab.runs.owner import lives
from redo_lab.runs.status import State, Status
from redo_lab.runs.table import find_runs

DEAD_SECONDS = 120
"""A running process writes its status every second or few; without a word for so long it is taken for dead."""


class Standing(StrEnum):
    """How a run stands for who looks from outside: a `State`, lost, or held: its job waits until it is released."""

    RUNNING = "running"
    LOST = "lost"
    FAILED = "failed"
    HELD = "held"
    INTERRUPTED = "interrupted"
    PREEMPTED = "preempted"
    PENDING = "pending"
    FINISHED = "finished"


OVER = (Standing.FINISHED, Standing.FAILED, Standing.LOST, Standing.INTERRUPTED, Standing.PREEMPTED)
"""Nobody works on these, and no job waits for them."""


@dataclass(frozen=True)
class Row:
    """A run. eta_seconds at the last rate; heartbeat_age, step_age: seconds since its last word and its last step
    (None where it takes none now); job, node: empty where none is known.

    name: no other run of its experiment that is shown has it. node: where it runs, or why its job waits, in brackets.
    """

    directory: str
    run_id: str
    experiment: str
    name: str
    state: Standing
    done: int
    total: int
    unit: str
    phase: str | None
    rate_per_s: float | None
    eta_seconds: float | None
    headline: Mapping[str, float]
    attempt: int
    node: str
    job: str
    heartbeat_age: float | None
    step_age: float | None
    error: str | None


class Overview:
    """The runs at or below `paths`; ValueError where there is none. One whose run.json is damaged is passed over."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.sweeps: list[Sweep] = sweeps_below([*paths, *(path.parent for path in paths if _is_run(path))])
        self.directories = [path.resolve() for path in find_runs(paths)]

    def rows(self) -> list[Row]:
        """A row per run, in the order of their directories; Slurm is asked once, if any run could wait for it."""
        jobs = {path.resolve(): job for path, job in jobs_of(self.sweeps).items()}
        runs = {directory: run for directory in self.directories if (run := about.read(directory)) is not None}
        names = distinct_names(runs)
        statuses = {directory: status.read(directory) for directory in runs}
        open_jobs = {jobs[d] for d, at in statuses.items() if d in jobs and not _settled(at)}
        answer = scheduler.ask(open_jobs)
        now = time.time()
        return [
            _row(
                directory,
                run._replace(name=names[directory]),
                statuses[directory],
                jobs.get(directory, ""),
                answer,
                now,
            )
            for directory, run in runs.items()
        ]

    def recorded(self) -> Mapping[Path, tuple[SweepRun, Sweep]]:
        """The newest submission of each run that has one, by its directory."""
        return {Path(run.directory).resolve(): (run, sweep) for sweep in self.sweeps for run in sweep.runs}


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many runs stand how, those that need a look first."""
    totals = Counter(row.state for row in rows)
    return {state.value: totals[state] for state in Standing if totals[state]}


def _is_run(path: Path) -> bool:
    return (path / "run.json").exists()


def _settled(last: Status | None) -> bool:
    return last is not None and last.state in (State.FINISHED, State.FAILED)


def _row(directory: Path, run: About, last: Status | None, job: str, answer: scheduler.Answer, now: float) -> Row:
    at = answer.jobs.get(job)
    state = _state(directory, last, at, bool(job) and answer.complete, now)
    works = last if state is Standing.RUNNING else None
    rate = works.rate_per_s if works else None
    return Row(
        directory=str(directory),
        run_id=run.run_id,
        experiment=run.experiment,
        name=run.name,
        state=state,
        done=last.done if last else 0,
        total=run.total,
        unit=run.unit,
        phase=works.phase if works else None,
        rate_per_s=rate,
        eta_seconds=(run.total - works.done) / rate if works and rate else None,
        headline=last.headline if last else {},
        attempt=last.attempt if last else 0,
        node=_place(at, last),
        job=job,
        heartbeat_age=max(0.0, now - last.heartbeat) if last else None,
        step_age=max(0.0, now - works.stepped) if works and works.stepped else None,
        error=last.error if last else None,
    )


def _place(at: scheduler.Job | None, last: Status | None) -> str:
    if at is not None and (at.node or at.state in scheduler.WAITING):
        return at.node or (f"({at.reason})" if at.reason not in ("", "None") else "")
    return last.host if last and last.pid else ""


def _state(directory: Path, last: Status | None, at: scheduler.Job | None, job_known: bool, now: float) -> Standing:
    """`at`: its job in Slurm's words; job_known: it has one, and Slurm would know if that still waited or ran."""
    state = Standing(last.state.value) if last else Standing.PENDING
    if state in (Standing.FINISHED, Standing.FAILED):
        return state
    if state is Standing.RUNNING and last is not None and alive(directory, last, now):
        return state
    if at is not None and at.state in scheduler.WAITING | scheduler.RUNNING:
        # Queued again, or just started and not yet at work.
        return Standing.HELD if at.held else Standing.PENDING
    if state is Standing.RUNNING or (state is Standing.PENDING and (job_known or (last and _keeper_gone(last)))):
        return Standing.LOST
    return state


def _keeper_gone(last: Status) -> bool:
    """Whether the run waits for a process of this machine that is no more: a pool that was killed outright."""
    if last.pid is None or last.host != socket.gethostname():
        return False
    try:
        os.kill(last.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False  # Another user's process, or no pid that this kernel gives: nothing says that the keeper is gone.
    return False


def alive(directory: Path, last: Status, now: float) -> bool:
    """A process of this machine is looked at; of one elsewhere the heartbeat tells, if the clocks agree somewhat."""
    owner = lease.owner_of(directory)
    if owner is not None and (answer := lives(owner)) is not None:
        return answer
    return now - last.heartbeat < DEAD_SECONDS
