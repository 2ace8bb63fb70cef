"""The ends of the runs' logs inside the report, so that they can be read where the file is alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from redo_lab.analysis.report.data import as_json
from redo_lab.runs.reading import last_bytes, printable

LOG = "log.txt"
MOST, LEAST, TOGETHER = 4000, 300, 2_000_000
"""Bytes of one run's log: the most, and the least where so many runs share TOGETHER."""


def excerpts(directories: Sequence[str]) -> Iterator[str]:
    """JSON in pieces: for each run the last whole lines of its log; null where it has none."""
    each = max(LEAST, min(MOST, TOGETHER // max(1, len(directories))))
    yield "["
    for at, directory in enumerate(directories):
        yield f"{',' if at else ''}{as_json(excerpt(Path(directory) / LOG, each))}"
    yield "]"


def excerpt(log: Path, most: int) -> str | None:
    """The last lines of `log` that have at most so many bytes; None for one that is empty or can't be read."""
    try:
        content = last_bytes(log, most + 1)
    except (OSError, ValueError):
        return None
    text = printable(content.decode(errors="replace"))
    whole = len(content) <= most
    lines = text if whole else f"…\n{text.partition(chr(10))[2] or text}"
    return lines.strip("\n") or None
