"""A ring as a checkpoint of a replay log, the way back from `recorded`."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redo_lab.replay import dopamine
from redo_lab.replay.dopamine import path_of, write_array, write_rows
from redo_lab.replay.recorded import NOWHERE
from redo_lab.replay.ring import NOT_FINAL, TERMINATED, TRUNCATED, Replay
from redo_lab.runs.atomic import naming_full_disk
from redo_lab.runs.record import sync_folder

BLOCK_ENTRIES = 2048


@dataclass(frozen=True)
class LogEntries:
    """All entries of a log, oldest first. slots: of the ring, or NOWHERE; ends: how the episode ends there."""

    slots: NDArray[np.int64]
    ends: NDArray[np.uint8]

    @classmethod
    def of(cls, replay: Replay) -> LogEntries:
        """Those of `replay`: zeros before each episode that it has the beginning of."""
        slots = np.arange(replay.oldest, replay.added) % replay.config.capacity
        ends = replay.ends[slots]
        zeros = np.full(replay.spec.stack - 1, NOWHERE)
        pieces, marks = [], []
        begin = 0
        for last in [*ends.nonzero()[0], len(slots) - 1]:
            steps, end = slots[begin : last + 1], int(ends[last])
            steps = steps[:-1] if end == TERMINATED else steps
            if len(steps):
                padded = steps if replay.history[steps[0]] else np.append(zeros, steps)
                pieces.append(padded)
                marks.append(np.full(len(padded), NOT_FINAL, np.uint8))
                marks[-1][-1] = end
            begin = last + 1
        return cls(np.concatenate(pieces), np.concatenate(marks))

    def of_steps(self, values: NDArray[Any], newest: int, kind: type[np.generic]) -> NDArray[Any]:
        """`values` of the ring's slots where a step was taken, else 0; none was at the slot `newest`."""
        taken = (self.slots != NOWHERE) & (self.ends != TRUNCATED) & (self.slots != newest)
        return np.where(taken, values[self.slots], 0).astype(kind)


def write(replay: Replay, folder: Path, number: int = 0) -> int:
    """`folder`, which must not exist, holds `replay` as checkpoint `number` of a log, whole or not at all: its entries.

    ValueError if it exists or the replay is empty. The newest entry is written without the step that may be to come.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists already: it is left as it is")
    if len(replay) == 0:
        raise ValueError("the replay is empty")
    entries = LogEntries.of(replay)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    with naming_full_disk(folder.parent, len(entries.slots) * replay.frames[0].nbytes):
        temporary.mkdir(parents=True)
        try:
            _write_files(replay, entries, temporary, number)
            sync_folder(temporary)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    sync_folder(folder.parent)
    return len(entries.slots)


def _write_files(replay: Replay, entries: LogEntries, folder: Path, number: int) -> None:
    newest = (replay.added - 1) % replay.config.capacity
    count = len(entries.slots)
    small = {
        dopamine.ACTION: entries.of_steps(replay.actions, newest, np.int32),
        dopamine.REWARD: entries.of_steps(replay.rewards, newest, np.float32),
        dopamine.TERMINAL: (entries.ends == TERMINATED).astype(np.uint8),
        dopamine.TRUNCATED: (entries.ends == TRUNCATED).astype(np.uint8),
        dopamine.ADD_COUNT: np.array(count),
        dopamine.INVALID_RANGE: dopamine.invalid_range(replay.spec.stack, count),
    }
    for name, array in small.items():
        write_array(path_of(folder, name, number), array)
    shape = dopamine.stored_shape(replay.spec.frame_shape)
    blocks = _frames(replay, entries.slots, shape)
    write_rows(path_of(folder, dopamine.OBSERVATION, number), (count, *shape), replay.frames.dtype, blocks)


def _frames(replay: Replay, slots: NDArray[np.int64], shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    for begin in range(0, len(slots), BLOCK_ENTRIES):
        some = slots[begin : begin + BLOCK_ENTRIES]
        frames = replay.frames[some]
        frames[some == NOWHERE] = 0
        yield frames.reshape(-1, *shape)
