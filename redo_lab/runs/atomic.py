"""Files that a crash leaves old or new, never half written."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

LOG = logging.getLogger("redo_lab")
PASSING = (errno.EIO, errno.ESTALE)
RETRY_SECONDS = (0.1, 0.5, 2.0)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(OSError):
    """There was no room for what had to be written; what was whole before still is."""


@contextmanager
def naming_full_disk(folder: Path, needed_bytes: int) -> Iterator[None]:
    """A full disk or quota within the context is raised as DiskFull, saying what was needed, what is free and where."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        needed, free = needed_bytes / 1e6, shutil.disk_usage(there).free / 1e6
        raise DiskFull(
            f"{folder}: {os.strerror(error.errno)}: {needed:.3f} MB were to be written, {free:.3f} MB are free on that "
            "disk (a quota may allow less); what was whole before still is"
        ) from error


def write_text(path: Path, text: str) -> None:
    """`path` holds `text` as UTF-8; atomic like `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, guard: Callable[[], None] | None = None) -> None:
    """`path` holds `content`; if this raises or the process dies, it holds what it held before (DiskFull: no room).

    `guard` is called right before the file appears, and may forbid it by raising.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with naming_full_disk(path.parent, len(content)), _gone_on_error(temporary):
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if guard is not None:
            guard()
        temporary.replace(path)


@contextmanager
def _gone_on_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object, guard: Callable[[], None] | None = None) -> None:
    """`path` holds `value` as indented JSON, keys in the given order; atomic like `write_bytes`."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), guard)


def open_regular(path: Path, *, follow: bool = True) -> BufferedReader:
    """`path`, open for reading; OSError if it is no regular file, as a FIFO, which would hold its reader for ever.

    follow: a link to a regular file will do.
    """
    return os.fdopen(_descriptor(path, os.O_RDONLY | (0 if follow else os.O_NOFOLLOW)), "rb")


def open_append_nofollow(path: Path) -> BufferedWriter:
    """`path`, created if need be, open at its end; OSError if it is a link or no regular file."""
    return os.fdopen(_descriptor(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "ab")


def _descriptor(path: Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a link", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return descriptor


def patiently(work: Callable[[], None]) -> None:
    """`work` is done; what a file server refuses for a moment (EIO, ESTALE) is tried again a few times."""
    for pause in RETRY_SECONDS:
        try:
            return work()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            LOG.warning("%s; trying again", error)
        time.sleep(pause)
    return work()
