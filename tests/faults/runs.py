"""Runs in forked processes, and whether what they left is the same."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from redo_lab.attempt.execute import set_up_torch
from redo_lab.commands.train import main
from redo_lab.envs import atari, gymnasium_env, minatar  # noqa: F401  imported here, so that no child has to
from tests.attempt.test_resume import final_state, same
from tests.helpers.composing import planned

COMMON = [
    "scale=smoke",
    "training.iterations=2",
    # The ring wraps within the run, so that segments go too.
    "replay.capacity=300",
    "logger=none",
    "threads=1",
    "checkpoint.every_seconds=0.05",
    "checkpoint.stale_seconds=1",
    "progress.refresh_seconds=0.05",
    "probe=[dormancy,overlap,norms,churn,values,rank]",
]
AGENTS = {
    "dqn_atari": ["env=atari/seaquest", "replay_ratio=0.5", "network.width=0.25"],
    "dqn_minatar": ["env=minatar/breakout", "replay_ratio=1"],
    "drq_eps": ["env=atari_100k/pong", "agent=drq_eps", "network.width=0.25"],
    "sac": ["env=mujoco/hopper", "agent=sac", "network.width=0.25"],
}
RECYCLERS = {
    "redo": ["recycler=redo"],
    # Often enough to act within a short run.
    "continual_backprop": ["recycler=continual_backprop", "recyclers.continual_backprop.replacement_rate=0.01"],
    "prune": ["recycler=prune", "recyclers.prune.threshold=0.3"],
}
COMBINATIONS = {
    f"{agent}-{recycler}": [*words, *more] for agent, words in AGENTS.items() for recycler, more in RECYCLERS.items()
}
PLAIN = COMBINATIONS["dqn_minatar-redo"]
KILLED = -signal.SIGKILL
BROKEN = 70
"""Exit code of a child in which something was raised that `redo-lab train` doesn't turn into a message."""


class Wrong(Exception):
    """A fault that was not survived, and what differed."""


def warm_up() -> None:
    """This process may fork: no thread has been started, and what a child imports and computes with is here."""
    set_up_torch(1)
    torch.set_num_interop_threads(1)


def prepare(root: Path, words: list[str]) -> Path:
    """A prepared run directory under `root`."""
    plan = planned(*words, *COMMON, f"root={root}")
    plan.write()
    return plan.directory


def start(directory: Path, before: Callable[[], object] = lambda: None) -> int:
    """The pid of a child that calls `before` and then trains `directory`; its output goes beside it, to `.out`."""
    return fork(lambda: (before(), main(["--directory", str(directory)]))[1], output(directory))


def fork(work: Callable[[], int], out: Path) -> int:
    """The pid of a child whose exit code is what `work` returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        target = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        for thread in set(threading.enumerate()) - {threading.current_thread()}:
            thread.join()  # As the interpreter does at its end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(pid: int, seconds: float = 300) -> int:
    """How the child ended: its exit code, or minus the signal that killed it; killed after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise Wrong(f"hung for {seconds:g} s")


def train(directory: Path, before: Callable[[], object] = lambda: None) -> int:
    return ended(start(directory, before))


def output(directory: Path) -> Path:
    """Where the last child of `directory` wrote: outside of it, so that it can be moved, filled and read-only."""
    folder = OUTPUTS / directory.parent.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{directory.name}.out"


OUTPUTS = Path(os.environ.get("TMPDIR", "/tmp")) / f"redo_lab_faults_{os.getpid()}"


def said(directory: Path) -> str:
    return output(directory).read_text()


def expect(code: int, expected: int, directory: Path) -> None:
    if code != expected:
        raise Wrong(f"exit code {code} instead of {expected}: {said(directory).strip()[-600:]}")


def require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise Wrong(otherwise)


def require_message(directory: Path, words: str) -> None:
    """The child said `words`, and showed no traceback."""
    text = said(directory)
    require(words in text, f"'{words}' isn't in what it said: {text.strip()[-600:]}")
    require("Traceback" not in text, f"a traceback was shown: … {text.strip()[-400:]}")


def status_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "status.json").read_text())


def require_same(mended: Path, whole: Path) -> None:
    one, other = ((directory / "metrics.csv").read_bytes().splitlines() for directory in (mended, whole))
    for number, (line, expected) in enumerate(zip(one, other, strict=False), 1):
        require(line == expected, f"metrics.csv, line {number}: {line!r} instead of {expected!r}")
    require(len(one) == len(other), f"metrics.csv has {len(one)} lines instead of {len(other)}")
    difference = first_difference(final_state(mended), final_state(whole))
    require(difference is None, f"the final state differs at {difference}")


def first_difference(one: Any, other: Any, at: str = "state") -> str | None:
    """The place of the first leaf that is not the same bit for bit."""
    if same(one, other):
        return None
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        places = [(one[key], other[key], f"{at}.{key}") for key in one]
    elif isinstance(one, (list, tuple)) and len(one) == len(other):
        places = [(left, right, f"{at}[{index}]") for index, (left, right) in enumerate(zip(one, other, strict=True))]
    else:
        return at
    return next((found for place in places if (found := first_difference(*place))), at)
