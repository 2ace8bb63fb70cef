"""What a run leaves in its directory: its config, its identity, its metrics and how fast it went."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from redo_lab.runs.atomic import naming_full_disk, open_regular, write_json, write_text

if TYPE_CHECKING:
    from redo_lab.types import Row

LOG = logging.getLogger("redo_lab")
METRICS_HEADER = "env_steps,updates,name,value"
PIECE_BYTES = 2**16
NO_FOLDER_SYNC = (errno.EINVAL, errno.EBADF)


class Offsets(NamedTuple):
    """The lengths of metrics.csv and throughput.csv at one moment, and the digest of the former; None in old runs."""

    metrics_bytes: int
    throughput_bytes: int
    metrics_sha256: str | None = None


class Throughput(NamedTuple):
    """One line of throughput.csv: all that depends on the clock or the machine, and so stays out of metrics.csv."""

    wall_seconds: float
    env_steps: int
    updates: int
    env_steps_per_s: float
    updates_per_s: float
    peak_memory_mb: float


THROUGHPUT_HEADER = f"{','.join(Throughput._fields)}\n".encode()


class Record:
    """The files of one run: config.yaml, run.json, metrics.csv, throughput.csv; `log_path` is where its log goes."""

    def __init__(self, directory: Path, resume: Offsets | None = None) -> None:
        """Metrics end exactly at `resume`, or start anew; ValueError if they are shorter or were changed.

        Throughput, on which nothing depends, goes on from the whole lines it still has. Both are new files under the
        old names: what a zombie still appends to the old ones is lost.
        """
        self.directory = directory
        self.log_path = directory / "log.txt"
        metrics, throughput = directory / "metrics.csv", directory / "throughput.csv"
        self._digest = hashlib.sha256()
        if resume is None:
            self._metrics = _new_file(metrics, self._digested([f"{METRICS_HEADER}\n".encode()]))
            self._throughput = _new_file(throughput, [THROUGHPUT_HEADER])
        else:
            self._metrics = _new_file(metrics, self._digested(_exactly(metrics, resume)))
            self._throughput = _new_file(throughput, _throughput_lines(throughput, resume.throughput_bytes))

    @classmethod
    def create(cls, directory: Path, config_yaml: str, run: Mapping[str, Any]) -> Record:
        """A record that starts anew: `directory` exists, metrics and throughput are empty; log.txt is left alone."""
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / "config.yaml", config_yaml)
        write_json(directory / "run.json", dict(run))
        return cls(directory)

    def append(self, rows: Sequence[Row]) -> None:
        """metrics.csv ends with `rows`, a line a value, in the given order; the text gives back the exact float."""
        lines = [
            f"{row.env_steps},{row.updates},{name},{float(value)!r}"
            for row in rows
            for name, value in row.values.items()
        ]
        self._digest.update(_write_whole_lines(self._metrics, lines))

    def throughput(self, measured: Throughput) -> None:
        """throughput.csv ends with `measured`."""
        _write_whole_lines(self._throughput, [",".join(repr(value) for value in measured)])

    def offsets(self) -> Offsets:
        """How long the files are with all that was appended: what `resume` takes."""
        return Offsets(self._metrics.tell(), self._throughput.tell(), self._digest.hexdigest())

    def sync(self) -> None:
        """All that was appended outlives a power failure."""
        for file in (self._metrics, self._throughput):
            # Where room is given late (NFS, quotas), only this says that there is none.
            with naming_full_disk(self.directory, file.tell()):
                os.fsync(file.fileno())
        sync_folder(self.directory)

    def close(self) -> None:
        """The files are closed; nothing more can be appended."""
        for file in (self._metrics, self._throughput):
            # Every append flushes: only what a full disk refused can remain, and append has raised for that.
            with suppress(OSError):
                file.close()

    def _digested(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._digest.update(piece)
            yield piece


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


def _exactly(path: Path, offsets: Offsets) -> Iterator[bytes]:
    """metrics.csv up to the checkpoint, piece by piece; ValueError before the end if it isn't what it was."""
    length, digest = offsets.metrics_bytes, hashlib.sha256()
    with _opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        last = _last_lines(file, min(size, length))
        if size < length:
            line = last[: last.rfind(b"\n") + 1].decode(errors="replace").splitlines()[-1:] or ["nothing"]
            raise ValueError(
                f"{path}: the last {length - size} of the {length} bytes that it had at the checkpoint were lost; what "
                f"is left ends with: {line[0]}"
            )
        if not last.endswith(b"\n"):
            raise ValueError(
                f"{path}: no line ends at byte {length}, as one did at the checkpoint: it was changed since"
            )
        for piece in _pieces(file, length):
            digest.update(piece)
            yield piece
    if offsets.metrics_sha256 not in (None, digest.hexdigest()):
        raise ValueError(f"{path}: its first {length} bytes were changed since the checkpoint")


def _throughput_lines(path: Path, length: int) -> Iterator[bytes]:
    """The whole lines of throughput.csv up to the checkpoint, at least its header."""
    try:
        with open_regular(path) as file:
            size = min(length, file.seek(0, os.SEEK_END))
            last = _last_lines(file, size)
            end = size - len(last) + last.rfind(b"\n") + 1
            file.seek(0)
            if end > 0 and file.read(len(THROUGHPUT_HEADER)) == THROUGHPUT_HEADER:
                if end < length:
                    LOG.warning("%s: the last %d bytes were lost; the run goes on without them", path, length - end)
                yield from _pieces(file, end)
                return
    except OSError as error:
        LOG.warning("%s: %s", path, error.strerror)
    LOG.warning("%s is lost; it starts anew", path)
    yield THROUGHPUT_HEADER


def _opened(path: Path) -> BufferedIOBase:
    try:
        return open_regular(path)
    except FileNotFoundError:
        return BytesIO()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error


def _last_lines(file: BufferedIOBase, end: int) -> bytes:
    begin = max(0, end - PIECE_BYTES)
    file.seek(begin)
    return file.read(end - begin)


def _pieces(file: BufferedIOBase, length: int) -> Iterator[bytes]:
    file.seek(0)
    while length > 0 and (piece := file.read(min(PIECE_BYTES, length))):
        length -= len(piece)
        yield piece


def _new_file(path: Path, pieces: Iterable[bytes]) -> BinaryIO:
    """`path` holds `pieces` and is open at its end; a process that had it open before has a file without a name."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    file = temporary.open("wb")
    try:
        for piece in pieces:
            with naming_full_disk(path.parent, len(piece)):
                file.write(piece)
        with naming_full_disk(path.parent, file.tell()):
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            file.close()
        temporary.unlink(missing_ok=True)
        raise
    return file


def _write_whole_lines(file: BinaryIO, lines: Sequence[str]) -> bytes:
    """What was written."""
    # Bytes, not text: a text stream hands the system a long block in pieces, and a kill between two leaves half a line.
    block = "".join(f"{line}\n" for line in lines).encode()
    with naming_full_disk(Path(file.name).parent, len(block)):
        file.write(block)
        file.flush()
    return block
