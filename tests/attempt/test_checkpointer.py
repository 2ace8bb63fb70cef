"""The writer beside training: it rests, and hurries as soon as somebody waits for it."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from redo_lab.attempt import checkpointer
from redo_lab.attempt.checkpointer import Checkpointer
from redo_lab.config import CheckpointConfig
from redo_lab.replay.bulk import ReplayBulk
from redo_lab.runs.atomic import DiskFull
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.checkpoint import Checkpoints
from redo_lab.runs.record import Offsets
from redo_lab.types import Counters, Progress
from tests.helpers.replays import Player, make, pixels


class Resting:
    """Bulk state whose writing is one long rest."""

    empty = False

    def __init__(self) -> None:
        self.began = threading.Event()

    def capture(self, saved: Sequence[PartFile], *, copied: bool) -> Resting:
        return self

    def write(self, folder: Path, guard: Callable[[], None], rest: Callable[[], None]) -> list[PartFile]:
        self.began.set()
        rest()
        return []


class Breather:
    """In place of the real one: it rests until it is told to hurry."""

    def __init__(self) -> None:
        self.hurried = threading.Event()
        self.rested = False

    def rest(self) -> None:
        assert self.hurried.wait(20), "nobody told the writer to hurry"
        self.rested = True

    def hurry(self) -> None:
        self.hurried.set()


def study(bulk: Any) -> Any:
    return SimpleNamespace(
        bulk=bulk,
        state_dict=dict,
        clocks=lambda: Counters(env_steps=7),
        progress=lambda: Progress(7, 10, "agent steps", "training"),
    )


@pytest.mark.parametrize("wait", ["finish", "save"])
def test_whoever_waits_for_the_writer_ends_its_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: str) -> None:
    monkeypatch.setattr(checkpointer, "Breather", Breather)
    saver = Checkpointer(
        CheckpointConfig(every_seconds=300, keep=2, replay=True, stale_seconds=60),
        checkpoints=Checkpoints(tmp_path),
        offsets=lambda: Offsets(0, 0),
        versions={},
    )
    bulk = Resting()
    saver.save(study(bulk))
    assert bulk.began.wait(20)
    assert saver.checkpoints.newest() is None, "it rests before it commits"
    if wait == "save":
        saver.save(study(bulk))
    saver.finish()
    newest = saver.checkpoints.newest()
    assert newest is not None
    assert newest.manifest.number == 7
    assert isinstance(saver._breather, Breather)
    assert saver._breather.rested, "who writes rests in the breather that is hurried"


def test_a_disk_without_room_for_the_folder_is_called_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = Checkpointer(
        CheckpointConfig(every_seconds=300, keep=2, replay=True, stale_seconds=60),
        checkpoints=Checkpoints(tmp_path),
        offsets=lambda: Offsets(0, 0),
        versions={},
    )

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        saver.save(study(None))
        with pytest.raises(DiskFull, match="MB were to be written"):
            saver.finish()


def test_a_replay_lets_the_writer_rest_while_it_packs(tmp_path: Path) -> None:
    replay, rests = make(pixels(stack=2)), list[int]()
    Player(replay.spec, replay).episode(20, "open")
    (file,) = ReplayBulk(replay).capture([], copied=True).write(tmp_path, lambda: None, lambda: rests.append(1))
    assert (tmp_path / file.name).is_file()
    assert rests == [1], "twenty entries are one block"


def test_a_replay_that_was_lost_and_filled_anew_leaves_the_checkpoint_before_it_whole(tmp_path: Path) -> None:
    """checkpoint.replay was true, then false, then true again: entry 0 has been twice."""
    checkpoints = Checkpoints(tmp_path, keep=3)
    for number, reward in ((7, 1.0), (8, 2.0)):
        replay = make(pixels(stack=2))
        player = Player(replay.spec, replay)
        player.start()
        player.step(reward)
        checkpoints.bulk_folder.mkdir(exist_ok=True)
        entries = ReplayBulk(replay).capture([], copied=True)
        files = entries.write(checkpoints.bulk_folder, lambda: None, lambda: None)
        checkpoints.commit(number, b"state", files, {})
    (tmp_path / "8.json").write_text("damaged", encoding="utf-8")
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.manifest.number == 7
    restored = make(pixels(stack=2))
    restored.load_state_dict(replay.state_dict())
    ReplayBulk(restored).load(checkpoints.bulk_folder, newest.manifest.segments)
    assert restored.rewards[:2].tolist() == [1.0, 0.0]
