"""The sender as training uses it: starts it, writes to it, reads from it, and ends it in any case."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

LOG = logging.getLogger("redo_lab")
COMMAND = (sys.executable, "-P", "-m", "redo_lab.loggers.wandb.sender")


class News:
    """What the log says of W&B: the address of the run, and one warning at most."""

    def __init__(self) -> None:
        self._warned = False
        self._lock = threading.Lock()

    def warn(self, problem: str) -> None:
        """The first problem is logged as a warning, later ones are dropped."""
        with self._lock:
            first, self._warned = not self._warned, True
        if first:
            LOG.warning("W&B: %s (training goes on, and metrics.csv has every number)", problem)


class Process:
    """A sender, which ends with this object at the latest."""

    def __init__(self, order: Mapping[str, Any], news: News) -> None:
        # Not W&B's process of another run, which may hang; and a session of its own, so that Ctrl-C is ours alone.
        environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._finished = threading.Event()
        self._dismissed = threading.Event()
        parts = (self._process.stdout, news, self._finished, self._dismissed)
        self._listener = threading.Thread(target=_listen, args=parts, name="wandb", daemon=True)
        self._listener.start()
        self._end = weakref.finalize(self, _kill, self._process, self._dismissed)
        self.say(json.dumps(dict(order)))

    def say(self, line: str) -> None:
        """The sender gets the line, unless it has ended. All lines together fit into a pipe, so this never waits."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def done(self, seconds: float) -> bool:
        """Waits until the sender has ended or the time is over: whether it has done all."""
        self._listener.join(max(0.0, seconds))
        return self._finished.is_set()

    def kill(self) -> None:
        """The sender is gone, and W&B's own process, which watches it, soon after."""
        self._end()
        self._listener.join()


def _listen(reports: IO[str], news: News, finished: threading.Event, dismissed: threading.Event) -> None:
    for line in reports:
        report = json.loads(line)
        if "problem" in report:
            news.warn(report["problem"])
        if "url" in report:
            LOG.info("W&B: %s", report["url"])
        if "done" in report:
            finished.set()
    reports.close()
    if not finished.is_set() and not dismissed.is_set():
        news.warn("its process has ended")


def _kill(process: subprocess.Popen[str], dismissed: threading.Event) -> None:
    dismissed.set()
    process.kill()
    process.wait()
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
