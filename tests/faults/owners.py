"""Clocks that jump, copies that start at once, owners that come back."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

from redo_lab.runs.lease import owner_of
from tests.faults.files import half_done, whole_run
from tests.faults.moments import COUNTS, Moment
from tests.faults.runs import (
    KILLED,
    PLAIN,
    ended,
    expect,
    prepare,
    require,
    require_message,
    require_same,
    start,
    train,
)

DAY = 86_400


def jumping(days: int) -> None:
    """The clock of this process jumps by `days` half a second from now."""
    real, jump = time.time, time.monotonic() + 0.5
    time.time = lambda: real() + (DAY * days if time.monotonic() > jump else 0)


def clock_jump(days: int, root: Path) -> None:
    """The clock jumps in an attempt that is then killed, and jumps back in the next one."""
    whole, directory = whole_run(root), prepare(root / "jumped", PLAIN)
    for jump in (days, -days):
        code = train(directory, lambda jump=jump: (jumping(jump), Moment("training", 150, 0).arm()))
        expect(code, KILLED, directory)
    expect(train(directory, lambda: jumping(days)), 0, directory)
    require_same(directory, whole)


def simultaneous(copies: int, resumed: bool, root: Path) -> None:
    """Of the copies that start at once exactly one trains, the others leave with code 2."""
    whole = whole_run(root)
    directory = half_done(root / "raced") if resumed else prepare(root / "raced", PLAIN)
    begin = time.monotonic() + 0.3

    def wait() -> None:
        while time.monotonic() < begin:
            pass

    codes = sorted([ended(pid) for pid in [start(directory, wait) for _ in range(copies)]])
    require(codes == [0] + [2] * (copies - 1), f"exit codes {codes}")
    require_same(directory, whole)


def contents(directory: Path) -> dict[str, bytes]:
    """Every file but the log, where a process may say goodbye, and the leases, of which nobody reads lower ones."""
    paths = [path for path in directory.rglob("*") if path.is_file() and path.name != "log.txt"]
    own = [path for path in paths if not path.name.removeprefix(".").startswith("lease.")]
    return {str(path.relative_to(directory)): path.read_bytes() for path in own}


def zombie(kind: str, root: Path, chance: random.Random) -> None:
    """A stopped copy whose run was taken over leaves with code 4 once it goes on, and has written nothing."""
    whole, directory = whole_run(root), prepare(root / "zombie", PLAIN)
    # Less than a half: the writer is then stopped before a call, not between the lease's check and the renaming.
    # Early, so that something is left to do for the successor, on a fast machine too.
    moment = Moment(kind, chance.randint(2, max(2, min(20, COUNTS[kind] // 2))), 0.0)
    pid = start(directory, lambda: moment.arm(signal.SIGSTOP))
    try:
        require(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]), "ended before it was to be stopped")
        # What it was about to write is its own: no name that anybody reads, and it clears that away.
        own = {name for name in contents(directory) if name.endswith(".tmp")}
        make_remote(directory)
        successor = start_beside(directory)
        expect(ended(successor), KILLED, directory)
        before = contents(directory)
    finally:
        os.kill(pid, signal.SIGCONT)
    code = ended(pid)
    after = contents(directory)
    changed = sorted(
        kind_of_change(name, before, after)
        for name in (before.keys() | after.keys()) - own
        if before.get(name) != after.get(name)
    )
    require(code == 4, f"exit code {code}")
    require(not changed, f"the zombie changed {', '.join(changed)}")
    require_message(directory, "nothing more was written")
    expect(train(directory), 0, directory)
    require_same(directory, whole)


def kind_of_change(name: str, before: dict[str, bytes], after: dict[str, bytes]) -> str:
    return f"{name} ({'made' if name not in before else 'removed' if name not in after else 'changed'})"


def start_beside(directory: Path) -> int:
    """The successor, killed in the middle of its work; the zombie keeps the output file."""
    return start(directory, Moment("training", 20, 0).arm)


def make_remote(directory: Path) -> None:
    """The lease is as if its owner were on another machine, where only a change of the record shows life."""
    owner = owner_of(directory)
    assert owner is not None
    path = directory / f"lease.{owner.attempt}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere"}))
