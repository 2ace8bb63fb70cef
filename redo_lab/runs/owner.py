"""Who has a run: a process somewhere, as the record of its lease names it, and whether it lives."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import NamedTuple

_KINDS: Mapping[str, UnionType | type] = {
    "attempt": int,
    "token": str,
    "host": str,
    "kernel": str | None,
    "pid": int,
    "started": int | None,
    "since": int | float,
    "heartbeat": int | float,
    "beats": int,
    "released": bool,
}


class Process(NamedTuple):
    """A process on this machine. kernel: boot id and pid namespace; started: ticks after boot; None: no /proc here."""

    host: str
    kernel: str | None
    pid: int
    started: int | None


@dataclass(frozen=True)
class Owner:
    """A lease as it is on disk. since, heartbeat: Unix times of its host, for people; beats: counts the renewals."""

    attempt: int
    token: str
    host: str
    kernel: str | None
    pid: int
    started: int | None
    since: float
    heartbeat: float
    beats: int
    released: bool

    def __str__(self) -> str:
        """Who, where, since when."""
        since, last = (f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}" for at in (self.since, self.heartbeat))
        return f"attempt {self.attempt}: process {self.pid} on {self.host} since {since}, last heard of {last}"


def lives(owner: Owner) -> bool | None:
    """Whether the owner's process lives; None where nothing here tells: elsewhere, before a reboot, without /proc."""
    if owner.released:
        return False
    here = this_process()
    if here.kernel is None or (owner.host, owner.kernel) != (here.host, here.kernel):
        return None
    hidden = False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        hidden = True  # Another user's; with hidepid /proc doesn't show it either.
    started = started_ticks(owner.pid)
    return None if hidden and started is None else started == owner.started


def this_process() -> Process:
    """Where and what we are."""
    try:
        kernel = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        kernel = None
    return Process(socket.gethostname(), kernel, os.getpid(), started_ticks(os.getpid()))


def started_ticks(pid: int) -> int | None:
    """Field 22 of proc(5): ticks after boot; None if there is no such process, or it is dead and not yet reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def parsed(content: bytes) -> Owner | None:
    """The owner that a record names; None: half written, or nothing that a lease ever wrote."""
    try:
        owner = Owner(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None
    return owner if all(_is(getattr(owner, name), kind) for name, kind in _KINDS.items()) and owner.pid > 0 else None


def _is(value: object, kind: UnionType | type) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
