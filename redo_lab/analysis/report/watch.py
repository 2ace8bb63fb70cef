"""A page that is renewed while runs go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from redo_lab.runs import status
from redo_lab.runs.table import find_runs


def watch(
    renew: Callable[[], None],
    fingerprint: Callable[[], Hashable],
    over: Callable[[], bool],
    every_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Calls `renew` now and whenever `fingerprint` has changed; returns when nothing can change any more (`over`)."""
    last: Hashable = None
    while True:
        # Asked before the runs are read: what they write until then is in the last page.
        ended = over()
        now = fingerprint()
        if now != last:
            renew()
            last = now
        if ended:
            return
        sleep(every_seconds)


def fingerprint(paths: Sequence[Path]) -> Hashable:
    """What of the runs at or below `paths` shows on a page: which there are, their measurements and their states."""
    return tuple(_of_run(directory) for directory in find_runs(paths))


def _of_run(directory: Path) -> Hashable:
    try:
        metrics = (directory / "metrics.csv").stat()
        measured = (metrics.st_size, metrics.st_mtime_ns)
    except OSError:
        measured = None
    last = status.read(directory)
    return str(directory), measured, None if last is None else last.state
