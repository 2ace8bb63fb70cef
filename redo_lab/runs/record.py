"""What a run leaves in its directory: its config, its identity, its metrics and how fast it went."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from redo_lab.runs.atomic import naming_full_disk, write_json, write_text

if TYPE_CHECKING:
    from redo_lab.types import Row

METRICS_HEADER = "env_steps,updates,name,value"
NO_FOLDER_SYNC = (errno.EINVAL, errno.EBADF)


class Offsets(NamedTuple):
    """The lengths of metrics.csv and throughput.csv at one moment."""

    metrics_bytes: int
    throughput_bytes: int


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

    def __init__(self, directory: Path, resume: Offsets | None = None) -> None:
        """Metrics and throughput end exactly at `resume`, or start anew; ValueError if one is shorter.

        They are new files under the old names: a zombie that still appends to the old ones reaches nobody.
        """
        self.directory = directory
        self.log_path = directory / "log.txt"
        paths = directory / "metrics.csv", directory / "throughput.csv"
        headers = METRICS_HEADER, ",".join(Throughput._fields)
        if resume is None:
            starts = [f"{header}\n".encode() for header in headers]
        else:
            starts = [_up_to(path, offset) for path, offset in zip(paths, resume, strict=True)]
        self._metrics, self._throughput = (_new_file(path, start) for path, start in zip(paths, starts, strict=True))

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

    def offsets(self) -> Offsets:
        """How long the files are with all that was appended: what `resume` takes."""
        return Offsets(self._metrics.tell(), self._throughput.tell())

    def sync(self) -> None:
        """All that was appended outlives a power failure."""
        for file in (self._metrics, self._throughput):
            os.fsync(file.fileno())
        sync_folder(self.directory)

    def close(self) -> None:
        """The files are closed; nothing more can be appended."""
        for file in (self._metrics, self._throughput):
            # Every append flushes: what is left now is what a full disk has refused, and append has said so.
            with suppress(OSError):
                file.close()


def sync_folder(folder: Path) -> None:
    """Names that have appeared in `folder` outlive a power failure, where its file system can promise that."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(opened)


def _up_to(path: Path, offset: int) -> bytes:
    content = path.read_bytes()[:offset] if path.exists() else b""
    if len(content) < offset:
        last = content[: content.rfind(b"\n") + 1].decode().splitlines()[-1:] or ["nothing"]
        raise ValueError(
            f"{path}: the last {offset - len(content)} of the {offset} bytes that it had at the checkpoint were lost; "
            f"what is left ends with: {last[0]}"
        )
    if not content.endswith(b"\n"):
        raise ValueError(f"{path}: no line ends at byte {offset}, as one did at the checkpoint: it was changed since")
    return content


def _new_file(path: Path, content: bytes) -> BinaryIO:
    """`path` holds `content` and is open at its end; whoever had it open before has a file without a name."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    file = temporary.open("wb")
    try:
        with naming_full_disk(path.parent, len(content)):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            file.close()
        temporary.unlink(missing_ok=True)
        raise
    return file


def _write_whole_lines(file: BinaryIO, lines: Sequence[str]) -> None:
    # Bytes, not text: a text stream hands the system a long block in pieces, and a kill between two leaves half a line.
    block = "".join(f"{line}\n" for line in lines).encode()
    with naming_full_disk(Path(file.name).parent, len(block)):
        file.write(block)
        file.flush()
