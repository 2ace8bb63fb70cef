"""Segments that are damaged, missing or of another replay, and a disk that is full."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from redo_lab.replay import segments as replay_segments
from redo_lab.replay.segments import capture, write
from redo_lab.types import Box
from tests.helpers.replays import make
from tests.helpers.segments import assert_same_arrays, filled


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
