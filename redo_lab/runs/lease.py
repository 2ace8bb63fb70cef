"""One owner of a run directory, on shared file systems too.

The owner is the process that created `lease.<attempt>.json` of the highest attempt. Taking over is the exclusive
creation (O_EXCL, atomic on NFS since version 3) of the next attempt's file, so no lock can be left behind, and of two
processes that take over at once only one succeeds. No clock is read: an owner on this machine is judged by its process
(pid and start time), one elsewhere by whether its record changes while the taker watches, for `stale_seconds` of its
own sleep.
So clock jumps, clocks that disagree, reused pids and a file server that hangs for a while do no harm.

Guaranteed: of all that hold a lease, only the highest attempt passes `check`, and no attempt is given out twice.
Not guaranteed: an owner elsewhere that was cut off for longer than `stale_seconds` (suspended, network gone) goes on
until its next `check` or `renew`. `renew` changes the directory, so that even a caching NFS client then sees the truth;
`check` alone may be late by that cache (`acdirmax`, 60 s by default). So `stale_seconds` should be at least a few times
the time between two renewals, and more than 60 on NFS.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

from redo_lab.runs.atomic import naming_full_disk, patiently, write_json
from redo_lab.runs.owner import Owner, lives, parsed, this_process
from redo_lab.runs.reading import regular_bytes

LOG = logging.getLogger("redo_lab")
FILE_NAME = re.compile(r"lease\.(\d+)\.json")
LOOK_SECONDS = 0.5
MIN_LOOKS = 10


class LeaseHeld(Exception):
    """Another process works on the run."""


class LeaseLost(Exception):
    """Another process has taken the run over: this one must not write any more."""


class Lease:
    """This process owns `directory` for as long as `check` does not raise."""

    def __init__(self, directory: Path, owner: Owner) -> None:
        self.directory = directory
        self.owner = owner

    @property
    def attempt(self) -> int:
        """1 for the first owner of the directory, one more for each that follows."""
        return self.owner.attempt

    def check(self) -> None:
        """Raises LeaseLost, saying who has it now, if the lease is not ours any more."""
        patiently(self._check)

    def _check(self) -> None:
        newest = max(_attempts(self.directory), default=0)
        current = _read(_path(self.directory, newest)) if newest else None
        if current is None or current.token != self.owner.token:
            by = current or ("another process" if newest else f"nobody, {self.directory} was moved or deleted")
            raise LeaseLost(f"{self.directory}: this process ({self.owner}) has lost the run to {by}")

    def renew(self) -> None:
        """The record shows that we live; LeaseLost if it isn't ours any more, and then no process reads it."""
        self._write(replace(self.owner, beats=self.owner.beats + 1, heartbeat=time.time()))

    def release(self) -> None:
        """The directory is free at once; nothing happens if the lease was lost or the disk refuses the record."""
        try:
            self._write(replace(self.owner, released=True))
        except (LeaseLost, OSError) as error:
            LOG.warning("%s", error)

    def _write(self, owner: Owner) -> None:
        self.check()
        patiently(lambda: write_json(_path(self.directory, self.attempt), asdict(owner)))
        self.owner = owner
        # If it is of a lower attempt by now, no process reads it; but after a write a caching client lists anew.
        self.check()


def acquire(directory: Path, *, stale_seconds: float) -> Lease:
    """The lease of `directory`, which exists; LeaseHeld, saying who has it, if its owner lives.

    At once when there was no owner, it released its lease or its process on this machine is gone; otherwise the last
    record is watched: for `stale_seconds` if it doesn't change. A half-written record counts as one from elsewhere.
    """
    last = _wait_until_free(directory, stale_seconds)
    path = _path(directory, last + 1)
    now = time.time()
    owner = Owner(last + 1, uuid.uuid4().hex, *this_process(), since=now, heartbeat=now, beats=0, released=False)
    content = json.dumps(asdict(owner), indent=2)
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError as error:
        raise LeaseHeld(f"{directory} was taken just now by {_read(path) or 'another process'}") from error
    try:
        with naming_full_disk(directory, len(content)), file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        attempts = _attempts(directory)
        if max(attempts) > owner.attempt:
            # So slow that the file of this attempt had come and gone since we looked.
            raise LeaseHeld(f"{directory} was taken just now by {_read(_path(directory, max(attempts)))}")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    for attempt in attempts:
        if attempt < owner.attempt:
            _path(directory, attempt).unlink(missing_ok=True)
    return Lease(directory, owner)


def owner_of(directory: Path) -> Owner | None:
    """The last owner of the lease, alive or not; None if there was none or the record can't be read."""
    newest = max(_attempts(directory), default=0)
    return _read(_path(directory, newest)) if newest else None


def _wait_until_free(directory: Path, stale_seconds: float) -> int:
    """The highest attempt there was, 0 if none, once its owner is proved not to live; LeaseHeld if it lives."""
    while newest := max(_attempts(directory), default=0):
        try:
            _require_free(_path(directory, newest), stale_seconds)
        except FileNotFoundError:
            continue  # Its successor has removed it: look at that one.
        return newest
    return 0


def _require_free(path: Path, stale_seconds: float) -> None:
    content = _content(path)
    owner = parsed(content)
    if owner is not None:
        alive = lives(owner)
        if alive:
            raise LeaseHeld(f"{path.parent} is in use by {owner}")
        if alive is False:
            return
    LOG.info("%s: watching for %g s whether this still lives: %s", path.parent, stale_seconds, owner)
    # Sleeps are counted, no clock is read: a read that hangs with the file server, which keeps the owner from renewing
    # just as long, or a suspended machine then count for nothing.
    looks = max(MIN_LOOKS, math.ceil(stale_seconds / LOOK_SECONDS))
    for _ in range(looks):
        time.sleep(stale_seconds / looks)
        newer = _content(path)
        if newer != content:
            owner = parsed(newer)
            if owner is not None and owner.released:
                return
            raise LeaseHeld(f"{path.parent} is in use by {owner or 'another process'}")


def _attempts(directory: Path) -> list[int]:
    try:
        matches = [FILE_NAME.fullmatch(path.name) for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return [int(match[1]) for match in matches if match]


def _path(directory: Path, attempt: int) -> Path:
    return directory / f"lease.{attempt}.json"


def _read(path: Path) -> Owner | None:
    try:
        return parsed(_content(path))
    except FileNotFoundError:
        return None


def _content(path: Path) -> bytes:
    """Nothing if it is no regular file: such a lease is judged like one that is half written."""
    try:
        return regular_bytes(path)
    except ValueError:
        return b""
