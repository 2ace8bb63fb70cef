"""Segments that are written while training goes on and overwrites the ring."""

from __future__ import annotations

import copy
import queue
import threading
import time

import numpy as np
import pytest

from redo_lab.replay import segments as replay_segments
from redo_lab.replay.segments import OverwrittenError, Segment, SegmentFile, capture, load, write
from tests.helpers.replays import Player, make, pixels
from tests.helpers.segments import assert_same_arrays, filled


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


def test_the_writer_may_rest_after_each_block(monkeypatch, tmp_path):
    monkeypatch.setattr(replay_segments, "BLOCK_ENTRIES", 4)
    saver, rests = filled(tmp_path), []
    (segment,) = capture(saver.replay, 3)
    write(segment, tmp_path, rest=lambda: rests.append(1))
    assert len(rests) == (segment.stop - segment.first + 3) // 4 == 3
