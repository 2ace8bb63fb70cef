"""Sweeps that meet, that are stopped or killed, and small files that say nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from redo_lab.runs import status
from tests.faults.files import half_done, whole_run
from tests.faults.runs import COMMON, PLAIN, expect, require, require_same, status_of, train

REDO_LAB = [sys.executable, "-m", "redo_lab.cli"]
VERB_SECONDS = 60
SWEEP_SECONDS = 300
LONG = "training.iterations=2000"


def sweep(root: Path, *words: str) -> subprocess.Popen[str]:
    """Two seeds of the plain run, one after another, as a sweep of its own."""
    command = [*REDO_LAB, "train", "-m", *PLAIN, *COMMON, f"root={root}", "seed=0,1", "hydra.launcher.runs_at_once=1"]
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"sweep-{time.monotonic_ns()}.out").open("w") as out:
        return subprocess.Popen([*command, *words], stdout=out, stderr=out, text=True, start_new_session=True)


def verb(*words: str | Path) -> tuple[int, str]:
    """How a verb ended and what it said; a verb that hangs is Wrong by its exit code."""
    command = [*REDO_LAB, *map(str, words)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=VERB_SECONDS)
    except subprocess.TimeoutExpired:
        return -1, "hung"
    return done.returncode, done.stdout + done.stderr


def runs(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/*/run.json"))


def until_running(root: Path) -> None:
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        states = [status.read(directory) for directory in runs(root)]
        if any(at is not None and at.state is status.State.RUNNING and at.done for at in states):
            return
        time.sleep(0.05)
    require(False, "no run began")


def two_at_once(root: Path) -> None:
    """Both sweeps over the same runs end well, and each run was done once, as it is alone."""
    both = [sweep(root / "shared", "training.iterations=4") for _ in range(2)]
    codes = [one.wait(SWEEP_SECONDS) for one in both]
    require(codes == [0, 0], f"exit codes {codes}")
    states = [(status_of(directory)["state"], status_of(directory)["attempt"]) for directory in runs(root / "shared")]
    require(states == [("finished", 1)] * 2, f"states and attempts {states}")


def ended_by(number: signal.Signals, expected: set[str], root: Path) -> None:
    """A sweep that is ended leaves nothing that waits for ever: `wait` returns, and the same sweep finishes all."""
    begun = sweep(root / "ended", LONG)
    until_running(root / "ended")
    begun.send_signal(number)
    begun.wait(SWEEP_SECONDS)
    code, said = verb("wait", root / "ended", "--every", "0.2")
    require(code == 1, f"wait: exit code {code}: {said}")
    last = said.strip().splitlines()[-1]
    states = {part.split()[1] for part in last.split(", ")}
    require(states <= expected, f"states {last}")


def killed_sweep(root: Path) -> None:
    """The sweep is killed outright: its run is told by the kernel, and the one that waited is lost."""
    ended_by(signal.SIGKILL, {"lost", "interrupted"}, root)


def stopped_sweep(root: Path) -> None:
    """The sweep is stopped: its run saves, and the one that was never started is interrupted as well."""
    ended_by(signal.SIGINT, {"interrupted"}, root)


def damaged_status(how: str, root: Path, _: random.Random) -> None:
    """A run with whole checkpoints goes on, whatever became of its status; looking at it hangs nobody."""
    whole, directory = whole_run(root), half_done(root / "damaged")
    plant(directory / "status.json", how)
    code, said = verb("status", directory)
    require(code == 0 and "status.json" in said, f"status: exit code {code}: {said}")
    expect(train(directory), 0, directory)
    require_same(directory, whole)


def planted_lease(root: Path) -> None:
    """A FIFO in place of the lease hangs no verb, and the run goes on once it was watched."""
    whole, directory = whole_run(root), half_done(root / "planted")
    plant(max(directory.glob("lease.*.json")), "fifo")
    for words in (("status", directory), ("cancel", directory), ("errors", directory)):
        code, said = verb(*words)
        require(code == 0, f"{words[0]}: exit code {code}: {said}")
    expect(train(directory), 0, directory)
    require_same(directory, whole)


def plant(path: Path, how: str) -> None:
    path.unlink()
    if how == "fifo":
        os.mkfifo(path)
    elif how == "large":
        with path.open("wb") as file:
            file.truncate(20 * 2**30)
    else:
        path.write_text({"empty": "", "deep": "[" * 100_000, "garbled": '{"state": "runn'}[how])


HOWS = ("empty", "garbled", "deep", "fifo", "large")


def own_module_beside(root: Path) -> None:
    """A queue.py in the folder where a sweep is started is the user's, and no run imports it."""
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "queue.py").write_text("raise SystemExit('imported the file beside')")
    entry = Path(sys.executable).with_name("redo-lab")
    words = ["train", "-m", *PLAIN, *COMMON, f"root={root / 'runs'}", "seed=0,1"]
    done = subprocess.run(
        [str(entry), *words], cwd=root / "folder", capture_output=True, text=True, check=False, timeout=SWEEP_SECONDS
    )
    require(done.returncode == 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}"[-600:])
