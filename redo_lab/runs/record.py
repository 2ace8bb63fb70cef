"""What a run leaves in its directory: its config, its identity, its metrics and how fast it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from redo_lab.runs.atomic import write_json, write_text

if TYPE_CHECKING:
    from redo_lab.types import Row

METRICS_HEADER = "env_steps,updates,name,value"


class Throughput(NamedTuple):
    """One line of throughput.csv: all that depends on the clock or the machine, and so stays out of metrics.csv."""

    wall_seconds: float
    env_steps: int
    updates: int
    env_steps_per_s: float
    updates_per_s: float
    peak_memory_mb: float


class Record:
    """The files of one run: config.yaml, run.json, metrics.csv, throughput.csv; `log_path` is where its log goes."""

    def __init__(self, directory: Path) -> None:
        self.log_path = directory / "log.txt"
        self._metrics = _start(directory / "metrics.csv", METRICS_HEADER)
        self._throughput = _start(directory / "throughput.csv", ",".join(Throughput._fields))

    @classmethod
    def create(cls, directory: Path, config_yaml: str, run: Mapping[str, Any]) -> Record:
        """A record that starts anew: `directory` exists, metrics and throughput are empty; log.txt is left alone."""
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / "config.yaml", config_yaml)
        write_json(directory / "run.json", dict(run))
        return cls(directory)

    def append(self, rows: Sequence[Row]) -> None:
        """metrics.csv ends with `rows`, a line a value, in the given order; the text gives back the exact float."""
        _write_whole_lines(
            self._metrics,
            [
                f"{row.env_steps},{row.updates},{name},{float(value)!r}"
                for row in rows
                for name, value in row.values.items()
            ],
        )

    def throughput(self, measured: Throughput) -> None:
        """throughput.csv ends with `measured`."""
        _write_whole_lines(self._throughput, [",".join(repr(value) for value in measured)])

    def close(self) -> None:
        """The files are closed; nothing more can be appended."""
        self._metrics.close()
        self._throughput.close()


def _start(path: Path, header: str) -> BinaryIO:
    file = path.open("wb")
    _write_whole_lines(file, [header])
    return file


def _write_whole_lines(file: BinaryIO, lines: Sequence[str]) -> None:
    # Bytes, not text: a text stream hands the system a long block in pieces, and a kill between two leaves half a line.
    file.write("".join(f"{line}\n" for line in lines).encode())
    file.flush()
