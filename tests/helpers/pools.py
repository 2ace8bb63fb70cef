"""A local pool whose runs are small scripts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from redo_lab.config import parse
from redo_lab.launch.board import Board, Ended, Job, Running
from redo_lab.launch.local import Pool
from redo_lab.runs import status
from redo_lab.runs.status import State, Status

CHILD = """
import json, os, signal, sys, time
from pathlib import Path

directory = Path(sys.argv[1])

def say(state, **more):
    values = json.loads((directory / "status.json").read_text())
    (directory / "new").write_text(json.dumps({**values, "state": state, **more}))
    (directory / "new").replace(directory / "status.json")

def note(word):
    with (directory.parent / "events").open("a") as events:
        events.write(f"{word}\\n")

def wait_for_signal():
    count = 0
    def counted(number, frame):
        nonlocal count
        count += 1
    signal.signal(signal.SIGINT, counted)
    say("running")
    while not count:
        time.sleep(0.02)
    time.sleep(0.4 + 0.4 * (directory.name == "run1"))  # one ends first, and leaves a place free
    (directory / "signals").write_text(str(count))
    say("interrupted")

def ignore_signals():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say("running")
    time.sleep(60)

kind = (directory / "kind").read_text()
if kind == "finish":
    note("start")
    say("running")
    time.sleep(0.3)
    note("end")
    say("finished", done=100, headline={"return": 3.0})
elif kind == "fail":
    say("failed", error="Traceback\\nValueError: bad luck")
    sys.exit(1)
elif kind == "killed":
    say("running", done=40)
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
elif kind == "crash":
    raise ImportError("no such thing")
elif kind == "wait":
    wait_for_signal()
elif kind == "ignore":
    ignore_signals()
elif kind == "refused":
    note("refused")
    sys.exit(2)
elif kind == "mistake":
    note("mistake")
    say("failed", error="seed must be a number", pid=os.getpid())
    sys.exit(2)
elif kind == "lost":
    (directory / "kind").write_text("finish")
    sys.exit(4)
elif kind == "threads":
    print([os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")])
    say("finished")
"""


class Silent:
    """A display for tests that look at the board."""

    def started(self, running: Running) -> None:
        pass

    def ended(self, ended: Ended, board: Board) -> None:
        pass

    def show(self, board: Board) -> None:
        pass


def settings(**changed: object) -> Pool.Config:
    usual = {"runs_at_once": 2, "threads_per_run": 1, "gpus": None, "runs_per_gpu": 1}
    values = {**usual, "refresh_seconds": 0.05, "line_seconds": 30, **changed}
    node = {"_target_": "redo_lab.launch.local.Pool", **values}
    config: Pool.Config = parse(node, "hydra.launcher")
    return config


def pool(root: Path, **changed: object) -> Pool:
    (root / "child.py").write_text(CHILD)
    return Pool(
        settings(**changed), Silent(), lambda directory: [sys.executable, "-S", str(root / "child.py"), str(directory)]
    )


def make(root: Path, *kinds: str) -> list[Job]:
    for index, kind in enumerate(kinds):
        (root / f"run{index}").mkdir()
        (root / f"run{index}" / "kind").write_text(kind)
    return jobs_in(root)


def jobs_in(root: Path) -> list[Job]:
    return [Job(directory.name, directory, 100, "agent steps") for directory in sorted(root.glob("run*"))]


def blank(job: Job) -> Status:
    return status.blank(job.total, job.unit)


def status_of(job: Job) -> Status:
    read = status.read(job.directory)
    assert read is not None
    return read


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def state_of(job: Job) -> State | None:
    read = status.read(job.directory)
    return read.state if read else None
