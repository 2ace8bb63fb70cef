"""Replay logs in the format of the DQN Replay data set: what is read from one, and the way there and back."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import torch

from redo_lab.replay import dopamine
from redo_lab.replay.dopamine import path_of, read_array, write_array
from redo_lab.types import Discrete, EnvSpec
from tests.helpers.recordings import FRAME, exported, loaded, played, written
from tests.helpers.replays import pixels

FILES = [dopamine.OBSERVATION, dopamine.ACTION, dopamine.REWARD, dopamine.TERMINAL, dopamine.ADD_COUNT]
LOG = ([0, 0, 0, 1, 2, 3, 0, 0, 0, 4, 5, 6], [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
"""An episode of three steps and, after padding, the beginning of another."""


def newest(obs: torch.Tensor) -> list[list[int]]:
    """The stack of each observation as the numbers of its frames."""
    return [[int(frame[0, 0]) for frame in stack] for stack in obs]


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("capacity", [200, 37, 38, 41, 50])
@pytest.mark.parametrize("spec", [pixels(4), pixels(2), pixels(1, channels=2)], ids=["stack 4", "stack 2", "channels"])
def test_transitions_of_an_export_are_those_of_the_replay(
    spec: EnvSpec, capacity: int, n_step: int, tmp_path: Path
) -> None:
    replay = played(spec, capacity, n_step)
    again = loaded(exported(replay, tmp_path / "logs"), spec, n_step=n_step)
    before, after = (one.transitions(one.valid_starts()) for one in (replay, again))
    assert len(before.obs) > 25
    assert all(torch.equal(before[field], after[field]) for field in range(4))
    goes_on = before.discount > 0
    assert torch.equal(before.next_obs[goes_on], after.next_obs[goes_on])


def test_an_export_has_the_files_and_types_that_dopamine_writes(tmp_path: Path) -> None:
    folder = exported(played(EnvSpec((1, 84, 84), 4, np.uint8, Discrete(5), 4), 50), tmp_path / "logs")
    arrays = {name: read_array(path_of(folder, name, 0)) for name in (*FILES, dopamine.INVALID_RANGE)}
    entries = int(arrays[dopamine.ADD_COUNT])
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == {
        dopamine.OBSERVATION: (np.uint8, (entries, 84, 84)),
        dopamine.ACTION: (np.int32, (entries,)),
        dopamine.REWARD: (np.float32, (entries,)),
        dopamine.TERMINAL: (np.uint8, (entries,)),
        dopamine.ADD_COUNT: (np.int64, ()),
        dopamine.INVALID_RANGE: (np.int64, (5,)),
    }
    assert arrays[dopamine.INVALID_RANGE].tolist() == [entries - 1, 0, 1, 2, 3]
    (ends,) = arrays[dopamine.TERMINAL].nonzero()
    assert len(ends) > 2
    assert not any(arrays[dopamine.OBSERVATION][end + 1 : end + 4].any() for end in ends)


def test_an_export_never_changes_what_is_there(tmp_path: Path) -> None:
    folder = written(tmp_path / "logs", *LOG, add_count=12)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match="exists already"):
        exported(played(FRAME, 50), folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("redo_lab.replay.export.write_rows", full)
    with pytest.raises(OSError, match="No space left"):
        exported(played(FRAME, 50), tmp_path / "logs")
    assert list(tmp_path.iterdir()) == []


def test_a_log_is_read_as_dopamine_samples_it(tmp_path: Path) -> None:
    replay = loaded(written(tmp_path / "logs", *LOG, add_count=12))
    batch = replay.transitions(replay.valid_starts())
    assert newest(batch.obs) == [[0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3], [0, 0, 0, 4], [0, 0, 4, 5]]
    assert batch.action.tolist() == [1, 2, 3, 4, 0]
    assert batch.discount.tolist() == pytest.approx([0.9, 0.9, 0, 0.9, 0.9])
    assert newest(batch.next_obs)[:2] == [[0, 0, 1, 2], [0, 1, 2, 3]]


def test_a_full_ring_begins_at_its_cursor_in_the_middle_of_an_episode(tmp_path: Path) -> None:
    frames, terminals = [7, 8, 9, 10, 1, 2, 3, 4, 5, 6], [0] * 10
    replay = loaded(written(tmp_path / "logs", frames, terminals, add_count=24))
    batch = replay.transitions(replay.valid_starts())
    assert newest(batch.obs) == [[k - 3, k - 2, k - 1, k] for k in range(4, 10)]


def test_slots_that_were_never_filled_are_left_out(tmp_path: Path) -> None:
    replay = loaded(written(tmp_path / "logs", *LOG, add_count=11))
    assert newest(replay.transitions(replay.valid_starts()).obs)[-1] == [0, 0, 0, 4]


def test_only_as_many_entries_as_fit_are_loaded_and_the_last_is_only_a_next_one(tmp_path: Path) -> None:
    folder = exported(played(FRAME, 200), tmp_path / "logs")
    whole, part = loaded(folder), loaded(folder, capacity=30)
    assert part.frames.shape[0] == len(part) == 30
    starts = part.valid_starts()
    assert starts.tolist() == [start for start in whole.valid_starts() if start < 29]
    assert all(torch.equal(a, b) for a, b in zip(part.transitions(starts), whole.transitions(starts), strict=True))


def test_padding_that_is_none_is_refused(tmp_path: Path) -> None:
    frames = [*LOG[0][:7], 9, *LOG[0][8:]]
    with pytest.raises(ValueError, match="another number of frames in a stack"):
        loaded(written(tmp_path / "logs", frames, LOG[1], add_count=12))


def test_actions_of_another_environment_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "logs", *LOG, add_count=12)
    write_array(path_of(folder, dopamine.ACTION, 0), np.full(12, 5, np.int32))
    with pytest.raises(ValueError, match="actions from 5 to 5, but this environment has 5"):
        loaded(folder)


def test_a_whole_log_is_checked_without_a_word(tmp_path: Path) -> None:
    assert dopamine.check(written(tmp_path / "logs", *LOG, add_count=12), 0).shape == (12, 2, 3)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_cut_off_or_something_else_is_named_before_anything_is_loaded(
    name: str, tmp_path: Path
) -> None:
    folder = written(tmp_path / "logs", *LOG, add_count=12)
    path = path_of(folder, name, 0)
    whole = path.read_bytes()
    for content in (whole[:-9], whole[:20], b"", b"no gzip", gzip.compress(b"no npy"), whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"ckpt\.0\.gz is damaged"):
            dopamine.check(folder, 0)
    path.unlink()
    with pytest.raises(ValueError, match=r"there is no .*ckpt\.0\.gz"):
        dopamine.check(folder, 0)


def test_a_file_whose_middle_is_damaged_is_named_when_it_is_loaded(tmp_path: Path) -> None:
    folder = written(tmp_path / "logs", *LOG, add_count=12)
    path = path_of(folder, dopamine.OBSERVATION, 0)
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # of the checksum
    path.write_bytes(bytes(content))
    dopamine.check(folder, 0)
    with pytest.raises(ValueError, match=r"observation_ckpt\.0\.gz is damaged"):
        loaded(folder)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    folder = written(tmp_path / "logs", *LOG, add_count=12)
    file = io.BytesIO()
    np.save(file, np.array([{}] * 12, dtype=object), allow_pickle=True)
    path_of(folder, dopamine.ACTION, 0).write_bytes(gzip.compress(file.getvalue()))
    with pytest.raises(ValueError, match="no plain array"):
        dopamine.check(folder, 0)


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "logs", *LOG, add_count=12)
    write_array(path_of(folder, dopamine.REWARD, 0), np.zeros(11, np.float32))
    with pytest.raises(ValueError, match=r"\(11,\) values, but there are 12 observations"):
        dopamine.check(folder, 0)
