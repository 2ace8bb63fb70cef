"""log.txt: what a run says, with times. A disk that refuses it costs lines of the log, never the run."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redo_lab.runs.atomic import open_append_nofollow

LOG = logging.getLogger("redo_lab")


class LogFile(logging.StreamHandler[io.TextIOWrapper]):
    """Appends to `path`, which is no link. Where that fails, the terminal says so once, in a line.

    Lines that a full disk refused are tried again with those after them.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.TextIOWrapper(open_append_nofollow(path), encoding="utf-8", line_buffering=True))
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._path = path
        self._failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by logging, which would print a traceback, when a line could not be written."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            super().handleError(record)
        elif not self._failed:
            self._failed = True
            print(f"{self._path}: {problem.strerror}; lines of the log are missing there", file=sys.stderr)

    def close(self) -> None:
        """The file is closed, whether or not the disk takes the lines that it has refused so far."""
        with suppress(OSError):
            self.stream.close()
        super().close()


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """LOG goes to `path`, with times, and to the terminal."""
    to_file = LogFile(path)
    LOG.handlers = [to_file, logging.StreamHandler()]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.handlers = []
        to_file.close()
