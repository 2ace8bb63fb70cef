"""A replay in segments on disk: what is restored is what was saved, and what lies in which file."""

from __future__ import annotations

import copy
import hashlib
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redo_lab.envs.atari import Atari
from redo_lab.replay import segments as replay_segments
from redo_lab.replay.ring import TRUNCATED, Replay
from redo_lab.replay.segments import OverwrittenError, capture, load, write
from redo_lab.types import Discrete
from tests.helpers.replays import Player, make, pixels, vectors
from tests.helpers.segments import Saver, assert_same_arrays, filled


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


@pytest.mark.parametrize("reader", ["zlib-ng", "zlib"])
def test_the_files_are_those_of_zlib_as_earlier_versions_wrote_and_read_them(monkeypatch, tmp_path, reader):
    with monkeypatch.context() as patch:
        if reader == "zlib-ng":
            patch.setattr(replay_segments, "zlib_ng", zlib)
        saver = filled(tmp_path)
    if reader == "zlib":
        monkeypatch.setattr(replay_segments, "zlib_ng", zlib)
    assert_same_arrays(saver.replay, saver.restored())


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
