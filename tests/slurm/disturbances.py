"""One thing each that happens on clusters; every function returns what it saw, or raises Wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.slurm.cluster import (
    SLURM,
    WORDS,
    finished,
    free,
    newest_record,
    redo_lab,
    require,
    runs,
    said,
    statuses,
    submit,
    under_way,
    wait_for,
)

STANDSTILL_SECONDS = 40
"""Of a run on a slow node: without it a fast machine is done before its job's time is up."""
CLUSTER = Path(__file__).parent.parent.parent / "scripts" / "slurm_cluster.sh"


def packed(root: Path, whole: Path) -> str:
    """Two runs a job, two jobs an array; asked again while they run nothing is submitted, and afterwards nothing is."""
    begun = time.monotonic()
    jobs = submit(root)
    seconds = time.monotonic() - begun
    require([len(ids) for ids in jobs.values()] == [2, 2], f"jobs {jobs}")
    again = redo_lab("train", "-m", *SLURM, *WORDS, f"root={root}")
    require(
        "in the queue" in again.stdout and "to submit" not in again.stdout,
        f"asked again: {again.stdout} {again.stderr[-300:]}",
    )
    attempts = finished(root, whole)
    free(root)
    last = redo_lab("train", "-m", *SLURM, *WORDS, f"root={root}")
    require("4 runs: 4 finished" in last.stdout, f"asked at the end: {last.stdout}")
    require(attempts == [1] * 4, f"attempts {attempts}")
    return f"command took {seconds:.1f} s"


def usr2(root: Path, whole: Path) -> str:
    """What a site sends before it preempts: the runs save, the job is queued again."""
    jobs = submit(root)
    under_way(root, 4)
    said("scancel", "--signal=USR2", *jobs)
    return f"attempts {finished(root, whole)}"


def requeue(root: Path, whole: Path) -> str:
    """Without a warning but TERM, which W&B's processes get as well."""
    jobs = submit(root, "logger=wandb_offline")
    under_way(root, 4)
    for job in jobs:
        said("scontrol", "requeue", job)
    attempts = finished(root, whole)
    require(not list(root.rglob("crashes.json")), "a run took being ended for a crash")
    require(min(attempts) >= 2, f"attempts {attempts}")
    return f"attempts {attempts}"


def partition(root: Path, whole: Path) -> str:
    """A partition of higher priority takes every GPU for a while."""
    submit(root, "hydra.launcher.partition=low")
    under_way(root, 4)
    said("sbatch", "--parsable", "-p", "high", "-N2", "--gpus-per-node=2", "-o", "/dev/null", "--wrap", "sleep 5")
    attempts = finished(root, whole)
    require(min(attempts) >= 2, f"attempts {attempts}")
    return f"attempts {attempts}"


def time_limit(root: Path, whole: Path) -> str:
    """Jobs of two minutes, four runs one after the other in each, of which one stands still: they don't fit."""
    words = ["hydra.launcher.time=2", "hydra.launcher.signal_seconds=75", "hydra.launcher.max_jobs=1"]
    (job,) = submit(root, *words, "hydra.launcher.runs_per_gpu=1")
    under_way(root)
    process = next(found["pid"] for found in statuses(root) if found["state"] == "running")
    os.kill(process, signal.SIGSTOP)
    time.sleep(STANDSTILL_SECONDS)
    with suppress(ProcessLookupError):  # Slurm has ended it with its job
        os.kill(process, signal.SIGCONT)
    attempts = finished(root, whole)
    restarts = said("scontrol", "show", "job", job).partition("Restarts=")[2].split()[0]
    require(int(restarts) >= 1, f"restarts {restarts}")
    return f"{restarts} restarts, attempts {attempts}"


def node_down(root: Path, whole: Path) -> str:
    """A node is lost with everything on it."""
    submit(root, "hydra.launcher.runs_per_gpu=1")
    under_way(root, 2)
    said("scontrol", "update", "nodename=n1", "state=down", "reason=test")
    # It is alive here and would register again; Slurm holds a job that it starts where the old one still saves.
    said("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    attempts = finished(root, whole)
    subprocess.run(["scontrol", "update", "nodename=n1", "state=resume"], check=False, capture_output=True)
    require(max(attempts) >= 2, f"attempts {attempts}")
    return f"attempts {attempts}"


def zombie(root: Path, whole: Path) -> str:
    """The node's daemon dies and Slurm takes the node for down, but the runs on it live on; copies start elsewhere."""
    jobs = submit(root)
    under_way(root, 4)
    node, job = min((said("squeue", "-h", "-j", job, "-o", "%N").strip(), job) for job in jobs)
    folder = Path(os.environ.get("SLURM_CI_ROOT", f"{os.environ.get('TMPDIR', '/tmp')}/redo-slurm"))
    os.kill(int((folder / "pid" / f"slurmd-{node}").read_text().split()[0]), signal.SIGKILL)
    said("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    # Slurm waits a while before it starts a job again.
    wait_for("job queued again", lambda: said("squeue", "-h", "-j", job, "-o", "%T").strip() == "PENDING", root)
    said("scontrol", "update", f"jobid={job}", "starttime=now")
    wait_for("copy", lambda: bool(refused(root)), root)
    where, living = said("squeue", "-h", "-j", job, "-o", "%N").strip(), statuses(root)
    attempts = finished(root, whole)
    subprocess.run([CLUSTER, "up"], check=True, capture_output=True)
    require(where != node, f"the copy came to {where}")
    require([found["attempt"] for found in living] == [1] * 4, f"a copy took a living run: {living}")
    return f"the copy on {where} was refused {len(refused(root))} runs, attempts {attempts}"


def refused(root: Path) -> list[Path]:
    """The runs whose copies were told that they run already."""
    return [path for path in root.rglob("console.txt") if "is in use by" in path.read_text()]


def crash(root: Path, whole: Path) -> str:
    """One run is killed, as for want of memory, more often than allowed; its neighbours finish; then retry."""
    submit(root, "hydra.launcher.max_crashes=1")
    under_way(root, 4)
    victim = runs(root)[0]
    os.kill(json.loads((victim / "status.json").read_text())["pid"], signal.SIGKILL)
    wait_for("end", lambda: {found["state"] for found in statuses(root)} == {"finished", "failed"}, root)
    states = [found["state"] for found in statuses(root)]
    require(states == ["failed", *["finished"] * 3], f"states {states}")
    errors = redo_lab("errors", str(root))
    require("SIGKILL" in errors.stdout, f"errors: {errors.stdout}")
    again = redo_lab("retry", str(root))
    require(again.returncode == 0, f"retry: {again.stderr}")
    require(len(newest_record(root)["runs"]) == 1, "retry submitted more than the one that failed")
    return f"attempts {finished(root, whole)}"


def cancel(root: Path, whole: Path) -> str:
    """`redo-lab cancel`, then the same command goes on."""
    submit(root)
    under_way(root, 4)
    done = redo_lab("cancel", str(root))
    require(done.returncode == 0, f"cancel: {done.stderr}")
    free(root)
    states = {found["state"] for found in statuses(root)}
    require(states == {"preempted"}, f"states {states}")
    steps = [found["done"] for found in statuses(root)]
    submit(root)
    attempts = finished(root, whole)
    return f"at {min(steps)}–{max(steps)} of 8000 steps, attempts {attempts}"


def submit_limit(root: Path, whole: Path) -> str:
    """The user may have two jobs: four runs of one GPU each share them."""
    said("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=2")
    try:
        jobs = submit(root, "hydra.launcher.runs_per_gpu=1")
        require([len(ids) for ids in jobs.values()] == [2, 2], f"jobs {jobs}")
        return f"attempts {finished(root, whole)}"
    finally:
        said("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=-1")
