"""Which runs already have a job that waits or runs, so that asking twice doesn't submit twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from redo_lab.launch import scheduler
from redo_lab.launch.record import jobs_of, sweeps_below


def queued(directories: Iterable[Path]) -> set[Path]:
    """Those of the run `directories` (absolute) whose newest recorded job waits or runs; asks Slurm once."""
    by_path = {directory.resolve(): directory for directory in directories}
    experiments = {directory.parent for directory in by_path if directory.parent.is_dir()}
    jobs = {path: job for path, job in jobs_of(sweeps_below(experiments)).items() if path.resolve() in by_path}
    states = scheduler.states(jobs.values())
    alive = scheduler.WAITING | scheduler.RUNNING
    return {by_path[path.resolve()] for path, job in jobs.items() if job in states and states[job].state in alive}
