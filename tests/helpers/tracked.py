"""A run's record with its tracker beside it, as an attempt holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from redo_lab.protocols import Logger
from redo_lab.runs.record import METRICS_HEADER, Offsets, Record
from redo_lab.types import Row


class Tracked:
    """Rows go to metrics.csv and then to the tracker; the files of an attempt before are cut after `kept` moments."""

    def __init__(self, directory: Path, logger: Logger, kept: int = 0) -> None:
        self.logger = logger
        self.record = Record(directory, _after(directory, kept)) if kept else Record.create(directory, "", {})

    def log(self, rows: Sequence[Row]) -> None:
        self.record.append(rows)
        self.logger.log(rows)

    def finish(self, state: str) -> None:
        self.record.close()
        self.logger.finish(state)


def _after(directory: Path, moments: int) -> Offsets:
    lines = (directory / "metrics.csv").read_text().splitlines(keepends=True)[1:]
    names = list(dict.fromkeys(line.rsplit(",", 2)[0] for line in lines))[:moments]
    length = sum(len(line) for line in lines if line.rsplit(",", 2)[0] in names)
    return Offsets(len(METRICS_HEADER) + 1 + length, len((directory / "throughput.csv").read_bytes()))
