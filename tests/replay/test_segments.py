from __future__ import annotations

import copy
import errno
import hashlib
import json
import os
import queue
import tempfile
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redo_lab.envs.atari import Atari
from redo_lab.replay import segments as replay_segments
from redo_lab.replay.ring import TRUNCATED, Replay
from redo_lab.replay.segments import OverwrittenError, Segment, SegmentFile, capture, load, needed, write
from redo_lab.types import Box, Discrete, EnvSpec
from tests.helpers.replays import Player, make, pixels, vectors

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


def assert_same_behaviour(one: Replay, other: Replay) -> None:
    assert one.state_dict() == other.state_dict()
    starts = one.valid_starts()
    assert np.array_equal(starts, other.valid_starts())
    if len(starts):
        ours, theirs = (replay.sample(5, np.random.default_rng(one.added)) for replay in (one, other))
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def play(player: Player, action: str) -> None:
    if action == "start" or player.replays[0].episode_start is None:
        player.start()
    else:
        player.step(terminated=action == "terminate", truncated=action == "truncate")


actions = st.sampled_from(["step", "step", "step", "start", "terminate", "truncate"])
specs = st.one_of(st.builds(pixels, st.integers(1, 4), st.integers(1, 2)), st.builds(vectors, st.integers(1, 4)))


@settings(max_examples=200)
@given(
    spec=specs,
    n_step=st.integers(1, 3),
    room=st.integers(2, 21),
    entries=st.sampled_from([(1, 1), (3, 2), (8, 3), (100, 4)]),
    headroom=st.sampled_from([0, 3, 100]),
    runs=st.lists(st.lists(actions, max_size=14), max_size=5),
    while_writing=st.lists(actions, max_size=4),
    later=st.lists(actions, max_size=30),
    into_a_used_one=st.booleans(),
)
def test_a_restored_replay_equals_the_saved_one_whatever_comes_later(
    spec, n_step, room, entries, headroom, runs, while_writing, later, into_a_used_one
):
    capacity = n_step + room
    replay, used = make(spec, capacity, n_step), make(spec, capacity, n_step)
    player = Player(spec, replay)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setattr(replay_segments, "SEGMENT_ENTRIES", entries[0])
        patch.setattr(replay_segments, "BLOCK_ENTRIES", entries[1])
        saver = Saver(replay, Path(name))
        for run in runs:
            saver.save(headroom)
            for action in run:
                play(player, action)
        segments, saved = capture(replay, saver.saved, headroom), copy.deepcopy(replay)
        for action in while_writing:
            play(player, action)
        try:
            files = [write(segment, saver.folder) for segment in segments]
        except OverwrittenError:
            assert replay.added - segments[0].first >= capacity
            assert headroom < len(while_writing)
            saved = copy.deepcopy(replay)
            files = [write(segment, saver.folder) for segment in capture(replay, saver.saved, headroom=capacity)]
        if into_a_used_one:
            Player(spec, used).episode(20, "open")
        load(used, saved.state_dict(), saver.folder, saver.files + files)
    if not into_a_used_one:
        assert_same_arrays(saved, used)
    assert_same_behaviour(saved, used)
    player.replays = (saved, used)
    player.obs = np.zeros_like(player.obs)
    for action in later:
        play(player, action)
        assert_same_behaviour(saved, used)


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


def test_the_step_taken_at_an_entry_already_saved_is_saved_with_the_next_one(tmp_path):
    saver = filled(tmp_path)
    player = Player(saver.replay.spec, saver.replay)
    player.step(reward=7.0)
    saver.save()
    player.start()
    saver.save()
    restored = saver.restored()
    assert [file.first for file in saver.files] == [0, 9, 15, 16]
    assert restored.rewards[14] == 7.0
    assert restored.ends[15] == TRUNCATED
    assert restored.episode_start == 16


def test_nothing_new_makes_no_segment(tmp_path):
    saver = filled(tmp_path)
    assert capture(saver.replay, saver.saved) == []
    assert capture(make(pixels(1)), 0) == []
    load(empty := make(pixels(1)), make(pixels(1)).state_dict(), tmp_path, [])
    assert empty.added == 0


def test_segments_that_the_ring_overwrote_are_dropped_and_those_it_began_to_are_not(tmp_path):
    saver = filled(tmp_path)
    player = Player(saver.replay.spec, saver.replay)
    for _ in range(13):
        player.step()
    saver.save()
    assert (saver.replay.oldest, [file.first for file in saver.files]) == (8, [0, 9, 15])
    restored = saver.restored()
    assert_same_arrays(saver.replay, restored)
    player.step()
    saver.save()
    assert (saver.replay.oldest, [file.first for file in saver.files]) == (9, [9, 15, 28])
    assert_same_arrays(saver.replay, saver.restored())


def test_a_file_holds_at_most_the_entries_of_one_segment(monkeypatch, tmp_path):
    monkeypatch.setattr(replay_segments, "SEGMENT_ENTRIES", 4)
    saver = filled(tmp_path)
    assert [(file.first, file.stop) for file in saver.files] == [(0, 4), (4, 8), (8, 9), (9, 13), (13, 15)]
    assert saver.files[0].name == f"000000000000-000000000004-{saver.files[0].sha256[:12]}.segment"
    for file in saver.files:
        content = (tmp_path / file.name).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert len(list(tmp_path.iterdir())) == 5


def test_frames_are_copied_only_where_headroom_asks_for_it():
    replay = make(pixels(1), capacity=20)
    Player(replay.spec, replay).episode(24, "open")

    def shared(first: int, headroom: int) -> bool:
        (segment,) = capture(replay, first, headroom)
        return np.shares_memory(segment.frames, replay.frames)

    assert replay.oldest == 5
    assert [shared(first, 0) for first in (0, 5, 6, 24)] == [False, False, True, True]
    assert [shared(first, 10) for first in (15, 16)] == [False, True]
    assert not shared(24, 20)


def test_a_segment_being_written_while_training_goes_on_restores_what_was_captured(monkeypatch, tmp_path):
    monkeypatch.setattr(replay_segments, "BLOCK_ENTRIES", 5)
    saver = filled(tmp_path)
    segments, saved = capture(saver.replay, 0, headroom=0), copy.deepcopy(saver.replay)
    player = Player(saver.replay.spec, saver.replay)
    pack, turn, done = replay_segments._pack, threading.Semaphore(0), threading.Semaphore(0)

    def one_block_in_turn(frames: np.ndarray) -> bytes:
        assert turn.acquire(timeout=10)
        done.release()
        return pack(frames)

    monkeypatch.setattr(replay_segments, "_pack", one_block_in_turn)
    files: list[SegmentFile] = []
    thread = threading.Thread(target=lambda: files.extend(write(segment, tmp_path) for segment in segments))
    thread.start()
    for _ in range(3):
        turn.release()
        assert done.acquire(timeout=10)
        player.step()
        player.start()
    thread.join()
    load(restored := make(saved.spec, 20), saved.state_dict(), tmp_path, files)
    assert_same_arrays(saved, restored)
    assert saver.replay.added == 21


def test_every_segment_written_beside_fast_training_is_exact_or_refused(tmp_path):
    spec = pixels(stack=2)
    replay = make(spec, capacity=300)
    replay.start(np.zeros(spec.obs_shape, np.uint8))
    waiting: queue.Queue[Segment | None] = queue.Queue(maxsize=1)
    files: list[SegmentFile] = []
    refused: list[Segment] = []

    def write_them() -> None:
        while (segment := waiting.get(timeout=10)) is not None:
            try:
                files.append(write(segment, tmp_path))
            except OverwrittenError:
                refused.append(segment)

    thread = threading.Thread(target=write_them)
    thread.start()
    while len(files) < 40 and replay.added < 20_000:
        obs = np.full(spec.obs_shape, replay.added % 251, np.uint8)
        replay.append(0, 0.0, obs, terminated=False, truncated=False)
        time.sleep(1e-5)
        if waiting.empty():
            waiting.put(*capture(replay, replay.added - 100, headroom=0), timeout=10)
    waiting.put(None, timeout=10)
    thread.join()
    assert files
    for file in files:
        content = replay_segments._read(tmp_path / file.name, file)
        replay_segments._load_file(replay, content, tmp_path, file.first)
        entries = np.arange(file.first, file.stop)
        assert replay.frames[entries % 300, 0, 0, 0].tolist() == (entries % 251).tolist()


def test_a_segment_is_refused_from_the_moment_its_first_entry_may_be_half_overwritten(tmp_path):
    saver = filled(tmp_path, capacity=20)
    (segment,) = capture(saver.replay, 2, headroom=0)
    player = Player(saver.replay.spec, saver.replay)
    for _ in range(6):
        player.step()
    (tmp_path / write(segment, tmp_path).name).unlink()
    player.step()
    with pytest.raises(OverwrittenError, match=r"entry 2 was overwritten before segment 0+2-0+15 was written"):
        write(segment, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name for file in saver.files]


def flip(path: Path, at: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"damaged: it has \d+ bytes, not \d+"),
        (lambda path: path.write_bytes(b""), "damaged: it has 0 bytes"),
        *[(lambda path, at=at: flip(path, at), "damaged: its checksum differs") for at in (0, 0.1, 0.5, 0.9, 1)],
        (Path.unlink, "cannot be read: No such file or directory"),
    ],
)
def test_a_damaged_truncated_or_missing_segment_is_named_and_another_checkpoint_may_be_loaded(
    tmp_path, which, damage, message
):
    (tmp_path / "older").mkdir()
    (tmp_path / "newer").mkdir()
    older, newer = filled(tmp_path / "older"), filled(tmp_path / "newer")
    damage(tmp_path / "newer" / newer.files[which].name)
    replay = make(newer.replay.spec, 20)
    with pytest.raises(ValueError, match=f"newer/{newer.files[which].name} .*{message}"):
        newer.restored(replay)
    assert replay.added == 0
    assert_same_arrays(older.replay, older.restored(replay))


@pytest.mark.parametrize(("kept", "reached"), [([0], 9), ([1], 0), ([], 0)])
def test_entries_in_no_segment_are_refused(tmp_path, kept, reached):
    saver = filled(tmp_path)
    saver.files = [saver.files[which] for which in kept]
    with pytest.raises(ValueError, match=f"entries 0 to 15 are stored, but its segments reach only to {reached}$"):
        saver.restored()


@pytest.mark.parametrize(
    ("changes", "capacity", "message"),
    [
        ({}, 21, "has capacity 20, expected 21"),
        ({"stack": 3}, 20, "has stack 2, expected 3"),
        ({"frame_shape": (1, 3, 2)}, 20, r"has frame_shape \[1, 2, 3\], expected \[1, 3, 2\]"),
        ({"dtype": np.float32}, 20, r"has frame_dtype \|u1, expected <f4"),
        ({"actions": Box((-1.0,), (1.0,))}, 20, r"has action_shape \[\], expected \[1\]"),
    ],
)
def test_a_segment_of_another_kind_of_replay_is_refused(tmp_path, changes, capacity, message):
    saver = filled(tmp_path)
    other = make(replace(saver.replay.spec, **changes), capacity)
    with pytest.raises(ValueError, match=f"{saver.files[0].name} {message}"):
        saver.restored(other)
    assert not other.frames.any()


def test_a_segment_of_another_format_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(replay_segments, "FORMAT", 2)
    saver = filled(tmp_path)
    assert json.loads((tmp_path / saver.files[0].name).read_bytes().split(b"\n")[0])["format"] == 2
    monkeypatch.undo()
    with pytest.raises(ValueError, match="has format 2, expected 1"):
        saver.restored()


def test_a_full_disk_leaves_no_part_of_a_segment(monkeypatch, tmp_path):
    saver = filled(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    (segment,) = capture(saver.replay, 3)
    with pytest.raises(OSError, match="No space left"):
        write(segment, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name for file in saver.files]


@pytest.mark.parametrize("reader", ["zlib-ng", "zlib"])
def test_the_files_are_those_of_zlib_as_earlier_versions_wrote_and_read_them(monkeypatch, tmp_path, reader):
    with monkeypatch.context() as patch:
        if reader == "zlib-ng":
            patch.setattr(replay_segments, "zlib_ng", zlib)
        saver = filled(tmp_path)
    if reader == "zlib":
        monkeypatch.setattr(replay_segments, "zlib_ng", zlib)
    assert_same_arrays(saver.replay, saver.restored())


def test_the_writer_may_rest_after_each_block(monkeypatch, tmp_path):
    monkeypatch.setattr(replay_segments, "BLOCK_ENTRIES", 4)
    saver, rests = filled(tmp_path), []
    (segment,) = capture(saver.replay, 3)
    write(segment, tmp_path, rest=lambda: rests.append(1))
    assert len(rests) == (segment.stop - segment.first + 3) // 4 == 3


def test_real_atari_frames_take_at_most_a_thirtieth_on_disk(tmp_path):
    game = Atari(Atari.Config("atari", "seaquest", 4, 4, 0.25, False, 27000, True, noop_max=0), seed=0, training=True)
    replay = Replay(Replay.Config(300, 1, 0.99), spec=game.spec, device=torch.device("cpu"))
    replay.start(game.reset())
    assert isinstance(game.spec.actions, Discrete)
    for k in range(250):
        step = game.step(k // 4 % game.spec.actions.n)
        replay.append(k % 3, step.reward, step.obs, step.terminated, step.truncated)
        if step.terminated:
            replay.start(game.reset())
    saver = Saver(replay, tmp_path)
    saver.save()
    (file,) = saver.files
    assert file.bytes == (tmp_path / file.name).stat().st_size < replay.added * 84 * 84 / 30
    load(restored := Replay(replay.config, spec=game.spec, device=replay.device), replay.state_dict(), tmp_path, [file])
    assert_same_arrays(replay, restored)
