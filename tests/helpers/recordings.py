"""Small replay logs, written by hand or from a replay."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from redo_lab.replay import dopamine, export, recorded
from redo_lab.replay.dopamine import path_of, write_array
from redo_lab.replay.ring import Replay
from redo_lab.types import Discrete, EnvSpec
from tests.helpers.replays import CPU, Player, make

T = TypeVar("T")
ENDS = ("terminated", "truncated", "terminated", "terminated", "truncated", "open")
FRAME = EnvSpec((1, 2, 3), 4, np.uint8, Discrete(5), 1)


def outcome(steps: Generator[None, None, T]) -> T:
    """What `steps` returns, once it has gone all its way."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


def played(spec: EnvSpec, capacity: int, n_step: int = 1, ends: Sequence[str] = ENDS * 2) -> Replay:
    """A replay of episodes of 1 to 10 steps that end in all ways."""
    replay = make(spec, capacity, n_step)
    player = Player(spec, replay)
    for number, end in enumerate(ends):
        player.episode(1 + 3 * number % 11, end)
    return replay


def written(folder: Path, frames: Sequence[int], terminals: Sequence[int], add_count: int, number: int = 0) -> Path:
    """A log of frames of 2×3 pixels that are all alike; the action of an entry is its frame modulo 5, so its reward."""
    folder.mkdir(parents=True, exist_ok=True)
    observations = np.repeat(np.array(frames, np.uint8), 6).reshape(-1, 2, 3)
    arrays: dict[str, Any] = {
        dopamine.OBSERVATION: observations,
        dopamine.ACTION: np.array(frames, np.int32) % 5,
        dopamine.REWARD: np.array(frames, np.float32) % 5,
        dopamine.TERMINAL: np.array(terminals, np.uint8),
        dopamine.ADD_COUNT: np.array(add_count),
    }
    for name, array in arrays.items():
        write_array(path_of(folder, name, number), array)
    return folder


def loaded(folder: Path, spec: EnvSpec = FRAME, *, number: int = 0, n_step: int = 1, capacity: int = 10**6) -> Replay:
    config = Replay.Config(capacity, n_step, 0.9)
    return outcome(recorded.load(folder, number, config, spec=spec, clip_rewards=False, device=CPU))


def exported(replay: Replay, folder: Path) -> Path:
    export.write(replay, folder)
    return folder
