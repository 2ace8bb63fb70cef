"""Sweeps on the cluster that scripts/slurm_cluster.sh brings up, and what can be done to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = [
    "env=minatar/breakout,minatar/asterix",
    "seed=0,1",
    "recycler=redo",
    "scale=smoke",
    "training.iterations=40",
    "logger=none",
    "checkpoint.every_seconds=1",
    "checkpoint.stale_seconds=5",
    "progress.refresh_seconds=0.2",
]
SLURM = [
    "hydra/launcher=slurm",
    "hydra.launcher.runs_per_gpu=2",
    "hydra.launcher.cpus_per_run=1",
    "hydra.launcher.time=10",
    "hydra.launcher.signal_seconds=30",
]
MIDDLE = 1500
"""Agent steps of 8000 after which a run counts as well under way."""
PATIENCE_SECONDS = 240


class Wrong(Exception):
    """What was not as it should be."""


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def redo_lab(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "redo_lab.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)


def said(*command: str) -> str:
    """What a command of Slurm's printed; Wrong if it failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    require(done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def submit(root: Path, *words: str) -> dict[str, list[str]]:
    """The jobs of a sweep of the four runs, and the run ids in each."""
    said_otherwise = {word.partition("=")[0] for word in words}
    kept = [word for word in (*SLURM, *WORDS) if word.partition("=")[0] not in said_otherwise]
    done = redo_lab("train", "-m", *kept, f"root={root}", *words)
    require(done.returncode == 0, f"submission: exit code {done.returncode}: {done.stderr.strip()[-600:]}")
    return newest_record(root)["jobs"]


def newest_record(root: Path) -> dict[str, Any]:
    path = max(root.glob("*/sweeps/*.json"), key=lambda path: path.stat().st_mtime_ns)
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def runs(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/*/run.json"))


def statuses(root: Path) -> list[dict[str, Any]]:
    paths = [directory / "status.json" for directory in runs(root)]
    return [json.loads(path.read_text()) if path.exists() else {"state": "none", "done": 0} for path in paths]


def wait_for(what: str, holds: Callable[[], bool], root: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            seen = [(found["state"], found["done"], found.get("attempt")) for found in statuses(root)]
            raise Wrong(f"no {what} after {PATIENCE_SECONDS} s: {seen}\n{said('squeue')}")
        time.sleep(0.2)


def under_way(root: Path, at_least: int = 1) -> None:
    """Waits until so many runs are in the middle."""

    def holds() -> bool:
        return sum(found["state"] == "running" and found["done"] >= MIDDLE for found in statuses(root)) >= at_least

    wait_for("run in the middle", holds, root)


def finished(root: Path, whole: Path) -> list[int]:
    """Waits until every run has finished, compares it with the one never disturbed; the attempts that each took."""
    wait_for("end", lambda: all(found["state"] == "finished" for found in statuses(root)), root)
    for directory in runs(root):
        expected = next(path for path in runs(whole) if path.name == directory.name) / "metrics.csv"
        require(
            (directory / "metrics.csv").read_bytes() == expected.read_bytes(), f"metrics of {directory.name} differ"
        )
    return [found["attempt"] for found in statuses(root)]


def free(root: Path) -> None:
    """Waits until the queue is empty, so that the next test finds the cluster idle."""
    wait_for("empty queue", lambda: not said("squeue", "-h", "-t", "R,PD,CG,CF").strip(), root)
