"""A replay in the format of the DQN Replay data set (Agarwal et al., 2020): what Dopamine's replay writes of itself.

A log is a folder with, for each checkpoint N, `$store$_observation_ckpt.N.gz`, the same for action, reward and
terminal, and `add_count_ckpt.N.gz`, each a gzipped .npy. Entry i is an observation's newest frame, the action taken
there, its reward and whether that ended the episode. After such an end come stack - 1 entries of zeros, then the next
episode. The arrays are a ring: the entry after the newest one is the oldest.

An observation after which no action was taken has no place in it. Of an episode that terminated nothing is lost, as no
target depends on it; where one was truncated we write it as an entry of its own, which `$store$_truncated_ckpt.N.gz`
marks, a file that other readers pass over.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

PREFIX = "$store$_"
OBSERVATION, ACTION, REWARD, TERMINAL = (f"{PREFIX}{name}" for name in ("observation", "action", "reward", "terminal"))
TRUNCATED = f"{PREFIX}truncated"
ADD_COUNT, INVALID_RANGE = "add_count", "invalid_range"
BLOCK_BYTES = 2**24
DAMAGE = (OSError, EOFError, ValueError, zlib.error, struct.error)


@dataclass(frozen=True)
class Header:
    """Of a stored array: shape, type, and where its first element lies in the uncompressed file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def row_bytes(self) -> int:
        """Of one entry."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def path_of(folder: Path, name: str, number: int) -> Path:
    """The file that holds `name` of checkpoint `number`."""
    return folder / f"{name}_ckpt.{number}.gz"


def stored_shape(frame_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a frame in a log: one of a single channel is stored without that axis, as 84×84."""
    return frame_shape[1:] if len(frame_shape) == 3 and frame_shape[0] == 1 else frame_shape


def numbers(folder: Path) -> list[int]:
    """The checkpoints of which `folder` has the observations, ascending."""
    pattern = re.compile(re.escape(OBSERVATION) + r"_ckpt\.(\d+)\.gz")
    return sorted(int(match[1]) for path in folder.iterdir() if (match := pattern.fullmatch(path.name)))


def check(folder: Path, number: int) -> Header:
    """The header of the observations of checkpoint `number`; ValueError names a file that is missing or damaged.

    Reads only the beginning and the end of each file: one whose middle is damaged shows when it is loaded.
    """
    observations = read_header(path_of(folder, OBSERVATION, number))
    for name in (ACTION, REWARD, TERMINAL):
        header = read_header(path_of(folder, name, number))
        if header.shape != observations.shape[:1]:
            raise ValueError(
                f"{path_of(folder, name, number)} has {header.shape} values, but there are {observations.shape[0]} "
                "observations"
            )
    if read_header(path_of(folder, ADD_COUNT, number)).shape:
        raise ValueError(f"{path_of(folder, ADD_COUNT, number)} is no number")
    return observations


def read_header(path: Path) -> Header:
    """ValueError if `path` is no gzipped .npy as long as it says."""
    with _reading(path) as file:
        header = _header(file)
        expected = header.offset + math.prod(header.shape) * header.dtype.itemsize
    with path.open("rb") as raw:
        raw.seek(-4, 2)
        (stored,) = struct.unpack("<I", raw.read(4))
    if stored != expected % 2**32:
        raise ValueError(f"{path} is damaged: it is cut off, or it goes on after its end")
    return header


def read_array(path: Path) -> NDArray[Any]:
    """The whole array; ValueError if it is damaged."""
    with _reading(path) as file:
        header = _header(file)
        content = file.read()
    if len(content) != math.prod(header.shape) * header.dtype.itemsize:
        raise ValueError(f"{path} is damaged: it has not as many bytes as its header says")
    return np.frombuffer(content, header.dtype).reshape(header.shape)


def read_rows(path: Path) -> Iterator[NDArray[Any]]:
    """The array's rows from first to last, some 16 MB at a time; ValueError if it is damaged."""
    with _reading(path) as file:
        header = _header(file)
        left, block = header.shape[0], max(1, BLOCK_BYTES // max(1, header.row_bytes))
        while left:
            rows = min(block, left)
            content = file.read(rows * header.row_bytes)
            if len(content) != rows * header.row_bytes:
                raise EOFError("it is cut off")
            left -= rows
            yield np.frombuffer(content, header.dtype).reshape(rows, *header.shape[1:])
        file.read(1)  # gzip compares its checksum where the file ends


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        with gzip.open(path, "rb") as file:
            yield cast(BinaryIO, file)
    except FileNotFoundError as error:
        raise ValueError(f"there is no {path}") from error
    except DAMAGE as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _header(file: BinaryIO) -> Header:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"its .npy format is {version}")
    shape, fortran, dtype = read(file)
    if fortran or dtype.hasobject:
        raise ValueError("it is no plain array")
    return Header(shape, dtype, file.tell())


def write_array(path: Path, array: NDArray[Any]) -> None:
    """`path` holds `array`."""
    write_rows(path, array.shape, array.dtype, iter([array]))


def write_rows(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Iterator[NDArray[Any]]) -> None:
    """`path` holds the array that `blocks` are the rows of."""
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as file:
        description = np.lib.format.dtype_to_descr(dtype)
        header = {"descr": description, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(cast(BinaryIO, file), header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)


def invalid_range(stack: int, entries: int) -> NDArray[np.int64]:
    """Where Dopamine takes no sample from a full ring whose oldest entry is at 0: its end and the first stacks."""
    return np.arange(-1, stack) % entries
