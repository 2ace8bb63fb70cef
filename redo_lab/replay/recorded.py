"""A checkpoint of a replay log as a ring: which frame goes where, and where episodes end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from redo_lab.replay import dopamine
from redo_lab.replay.dopamine import path_of, read_array, read_rows
from redo_lab.replay.ring import NOT_FINAL, TERMINATED, TRUNCATED, Replay
from redo_lab.types import Discrete, EnvSpec

NOWHERE = -1
"""In place of a slot: a frame of zeros that isn't stored."""


@dataclass(frozen=True)
class Episode:
    """A part of a ring that belongs together: the log's slot of each entry, or NOWHERE, and how the last one ends."""

    source: NDArray[np.int64]
    end: int
    history: NDArray[np.uint8]

    @classmethod
    def of(cls, slots: NDArray[np.int64], end: int, *, is_oldest: bool, stack: int) -> Episode:
        """The steps taken at `slots`, the oldest of which may lie in the middle of an episode or be its padding.

        So the first stack - 1 of the oldest are only looked back at, as in Dopamine. The observation that a termination
        led to isn't stored: it is zeros.
        """
        source = np.append(slots, NOWHERE) if end == TERMINATED and len(slots) else slots
        known = np.full(len(source), stack - 1) if is_oldest else np.minimum(np.arange(len(source)), stack - 1)
        return cls(source, end if len(source) else NOT_FINAL, known.astype(np.uint8))

    @property
    def ends(self) -> NDArray[np.uint8]:
        """Of each entry, as a replay has it."""
        ends = np.full(len(self.source), NOT_FINAL, np.uint8)
        ends[-1:] = self.end
        return ends


@dataclass(frozen=True)
class RingEntries:
    """All entries of a ring, oldest first, joined from its episodes. padding: slots of the log that must hold zeros."""

    source: NDArray[np.int64]
    ends: NDArray[np.uint8]
    history: NDArray[np.uint8]
    padding: NDArray[np.int64]

    @classmethod
    def of(cls, terminal: NDArray[Any], truncated: NDArray[Any], add_count: int, stack: int) -> RingEntries:
        """Those of a log with these marks, to which `add_count` entries were ever added."""
        order = _in_time(len(terminal), add_count)
        marks = np.where(terminal[order], TERMINATED, np.where(truncated[order], TRUNCATED, NOT_FINAL))
        episodes, padding = [], []
        begin = 0
        for last in [*marks.nonzero()[0], len(order) - 1]:
            slots, is_oldest = order[begin : last + 1], begin == 0
            pads = 0 if is_oldest else stack - 1
            padding.append(slots[:pads])
            if len(slots):
                episodes.append(Episode.of(slots[pads:], int(marks[last]), is_oldest=is_oldest, stack=stack))
            begin = last + 1
        return cls(
            np.concatenate([episode.source for episode in episodes]),
            np.concatenate([episode.ends for episode in episodes]),
            np.concatenate([episode.history for episode in episodes]),
            np.concatenate(padding),
        )

    def __len__(self) -> int:
        return len(self.source)

    def first(self, count: int) -> RingEntries:
        """The first `count` of them, as they were when there were no more."""
        return RingEntries(self.source[:count], self.ends[:count], self.history[:count], self.padding)

    @property
    def episode_start(self) -> int | None:
        """The first entry of the episode that is open at the end; None if there is none."""
        after_final = int(max(self.ends.nonzero()[0], default=-1)) + 1
        return after_final if after_final < len(self) else None


def _in_time(slots: int, add_count: int) -> NDArray[np.int64]:
    """The slots from the oldest entry to the newest."""
    return np.roll(np.arange(slots), -(add_count % slots)) if add_count >= slots else np.arange(add_count)


def load(
    folder: Path, number: int, config: Replay.Config, *, spec: EnvSpec, clip_rewards: bool, device: torch.device
) -> Generator[None, None, Replay]:
    """The replay of checkpoint `number`: its first `config.capacity` entries, in a ring that has room for no others.

    Yields after every block of frames. ValueError names a file that is damaged or of another kind of environment.
    """
    terminal = read_array(path_of(folder, dopamine.TERMINAL, number))
    marks = path_of(folder, dopamine.TRUNCATED, number)
    truncated = read_array(marks) if marks.exists() else np.zeros_like(terminal)
    add_count = int(read_array(path_of(folder, dopamine.ADD_COUNT, number)))
    entries = RingEntries.of(terminal, truncated, add_count, spec.stack).first(config.capacity)
    replay = Replay(replace(config, capacity=len(entries)), spec=spec, device=device)
    stored, slots = entries.source != NOWHERE, entries.source[entries.source != NOWHERE]
    replay.actions[stored] = _actions(path_of(folder, dopamine.ACTION, number), spec)[slots]
    rewards = read_array(path_of(folder, dopamine.REWARD, number))[slots]
    replay.rewards[stored] = np.clip(rewards, -1, 1) if clip_rewards else rewards
    replay.ends[:], replay.history[:] = entries.ends, entries.history
    yield from _load_frames(path_of(folder, dopamine.OBSERVATION, number), replay, entries, len(terminal))
    replay.load_state_dict({"added": len(entries), "episode_start": entries.episode_start})
    return replay


def _actions(path: Path, spec: EnvSpec) -> NDArray[Any]:
    actions = read_array(path)
    assert isinstance(spec.actions, Discrete)
    if actions.min() < 0 or actions.max() >= spec.actions.n:
        raise ValueError(
            f"{path} has actions from {actions.min()} to {actions.max()}, but this environment has {spec.actions.n}: "
            "it was recorded in another one"
        )
    return actions


def _load_frames(path: Path, replay: Replay, entries: RingEntries, slots: int) -> Generator[None, None, None]:
    """Only one block of the file is in memory beside the ring."""
    stored = entries.source != NOWHERE
    place, is_padding = np.full(slots, NOWHERE), np.zeros(slots, bool)
    place[entries.source[stored]] = stored.nonzero()[0]
    is_padding[entries.padding] = True
    begin = 0
    for block in read_rows(path):
        stop = begin + len(block)
        if block[is_padding[begin:stop]].any():
            raise ValueError(
                f"{path}: {replay.spec.stack - 1} observations of zeros should come after the end of an episode, and "
                "others do: it was recorded with another number of frames in a stack"
            )
        places = place[begin:stop]
        kept = places != NOWHERE
        replay.frames[places[kept]] = block[kept].reshape(-1, *replay.frames.shape[1:])
        begin = stop
        yield
