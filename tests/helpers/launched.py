"""Run directories, records of sweeps and a Slurm made of scripts, for the tests of what looks at them."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from redo_lab.launch.record import Sweep, SweepRun
from redo_lab.runs import status
from redo_lab.runs.lease import Lease, acquire
from redo_lab.runs.status import State


def make_run(root: Path, name: str, state: State | None, *, age: float = 0.0, **fields: Any) -> Path:
    """A run of 1000 agent steps without a name of its own.

    state None: nothing has begun it; age: seconds since its last word.
    """
    directory = root / "exp" / name
    directory.mkdir(parents=True)
    axes = {"agent": "dqn", "game": "pong", "replay_ratio": 1.0, "recycler": "redo", "seed": int(name[-1])}
    run = {"run_id": name, "experiment": "exp", "axes": axes, "total": 1000, "unit": "agent steps"}
    (directory / "run.json").write_text(json.dumps(run))
    (directory / "config.yaml").write_text("study: {}\n")
    if state is not None:
        set_status(directory, state=state, heartbeat=time.time() - age, **fields)
    return directory


def set_status(directory: Path, **fields: Any) -> None:
    path = directory / "status.json"
    known = json.loads(path.read_text()) if path.exists() else asdict(status.blank(1000, "agent steps"))
    path.write_text(json.dumps({**known, **fields}))


def own(directory: Path, **changed: Any) -> Lease:
    """This process holds the run's lease; `changed`: what else its record says, e.g. another pid or host."""
    held = acquire(directory, stale_seconds=1)
    path = directory / f"lease.{held.attempt}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    return held


def record(root: Path, jobs: dict[str, list[str]], **settings: Any) -> Sweep:
    """A submission of the runs named in `jobs`, as it lies on disk."""
    names = [name for inside in jobs.values() for name in inside]
    runs = [SweepRun(name, str(root / "exp" / name), name, 1000, "agent steps", [f"seed={name[-1]}"]) for name in names]
    sweep = Sweep.begin(["seed=0,1"], {}, settings, runs)
    sweep.jobs = jobs
    sweep.write()
    return sweep


def slurm_says(folder: Path, *, squeue: str | None = "", sacct: str | None = None) -> str:
    """PATH with a Slurm in `folder` that knows these lines; None: the command fails."""
    for name, lines in (("squeue", squeue), ("sacct", sacct), ("scancel", "")):
        body = "exit 1" if lines is None else f"cat <<'END'\n{lines}\nEND"
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/calls\n{body}\n')
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
