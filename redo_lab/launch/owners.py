"""Who works on a run. A parent looks before it writes the status of a run, and before it sends a signal."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from redo_lab.runs import lease, status
from redo_lab.runs.lease import LeaseHeld
from redo_lab.runs.owner import Owner, lives
from redo_lab.runs.status import Status

COMMANDS = (b"redo_lab", b"redo-lab")
"""One of these is in the command line of every process that works on a run."""


def held(directory: Path, except_pid: int | None = None) -> Owner | None:
    """The owner of the run, if it lives or may live; except_pid: a child of ours that has ended and so holds none."""
    owner = lease.owner_of(directory)
    if owner is None or lives(owner) is False or (owner.host, owner.pid) == (socket.gethostname(), except_pid):
        return None
    return owner


def write_unheld(directory: Path, new: Status, except_pid: int | None = None) -> bool:
    """The status is `new`, unless somebody holds the run: then it is theirs to write. Whether it was written."""

    def guard() -> None:
        if owner := held(directory, except_pid):
            raise LeaseHeld(str(owner))

    try:
        status.write(directory, new, guard)
    except LeaseHeld:
        return False
    return True


def why_no_signal(owner: Owner) -> str | None:
    """Why its process may not be signalled; None if it is certainly a run of this user's, alive on this machine.

    A lease may have been written by anybody: its pid alone proves nothing.
    """
    if not lives(owner):
        return f"process {owner.pid} on {owner.host} is gone, or invisible from here"
    if owner.started is None:
        return f"the lease doesn't say when process {owner.pid} began"
    process = Path(f"/proc/{owner.pid}")
    try:
        uid, words = process.stat().st_uid, (process / "cmdline").read_bytes()
    except OSError as error:
        return f"process {owner.pid}: {error.strerror}"
    if uid != os.geteuid():
        return f"process {owner.pid} is another user's"
    if not any(command in words for command in COMMANDS):
        return f"process {owner.pid} is no redo-lab by its command line"
    return None
