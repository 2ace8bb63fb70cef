"""A replay saved in segments, as a run saves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from redo_lab.replay.ring import Replay
from redo_lab.replay.segments import SegmentFile, capture, load, needed, write
from redo_lab.types import EnvSpec
from tests.helpers.replays import Player, make, pixels

ARRAYS = ("frames", "actions", "rewards", "ends", "history")


class Saver:
    """Saves one replay as the training loop does: what is new, in new files, of which the needed ones are kept."""

    def __init__(self, replay: Replay, folder: Path) -> None:
        self.replay, self.folder = replay, folder
        self.files: list[SegmentFile] = []
        self.saved = 0

    def save(self, headroom: int = 0) -> None:
        self.files += [write(segment, self.folder) for segment in capture(self.replay, self.saved, headroom)]
        self.files = needed(self.files, self.replay.oldest)
        self.saved = self.replay.added

    def restored(self, replay: Replay | None = None) -> Replay:
        replay = make(self.replay.spec, self.replay.config.capacity) if replay is None else replay
        load(replay, self.replay.state_dict(), self.folder, self.files)
        return replay


def assert_same_arrays(one: Replay, other: Replay) -> None:
    for name in ARRAYS:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def filled(folder: Path, capacity: int = 20, spec: EnvSpec | None = None) -> Saver:
    """15 entries in segments 0-9 and 9-15."""
    spec = spec or pixels(stack=2)
    saver = Saver(make(spec, capacity), folder)
    player = Player(spec, saver.replay)
    player.episode(8, "terminated")
    saver.save()
    player.episode(5, "open")
    saver.save()
    return saver
