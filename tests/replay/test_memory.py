from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from redo_lab.config import ConfigError
from redo_lab.replay import memory
from redo_lab.replay.memory import available_bytes, bytes_needed, check_memory
from redo_lab.replay.ring import Replay
from tests.helpers.replays import ATARI, CPU, make, vectors


@pytest.mark.parametrize("spec", [ATARI, vectors()])
def test_bytes_needed_is_the_size_of_the_arrays(spec):
    replay = make(spec, capacity=50)
    arrays = [value for value in vars(replay).values() if isinstance(value, np.ndarray) and len(value) == 50]
    assert len(arrays) == 5
    assert bytes_needed(replay.config, spec) == sum(array.nbytes for array in arrays)


def test_an_atari_transition_takes_at_most_7100_bytes():
    assert bytes_needed(Replay.Config(1_000_000, 1, 0.99), ATARI) <= 7100 * 1_000_000


def test_a_replay_larger_than_the_memory_is_refused_with_what_would_fit(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 4 * 2**30)
    with pytest.raises(ConfigError) as refusal:
        check_memory(Replay.Config(1_000_000, 1, 0.99), ATARI, CPU)
    fits = 4 * 2**30 // 7070
    assert str(refusal.value) == (
        "a replay of 1000000 observations needs 6.6 GiB, 4.0 GiB of memory is available: "
        f"set replay.capacity={fits} or less, or scale=laptop"
    )
    check_memory(Replay.Config(fits, 1, 0.99), ATARI, CPU)
    with pytest.raises(ConfigError):
        check_memory(Replay.Config(fits + 1, 1, 0.99), ATARI, CPU)


def write_files(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)


def test_the_tightest_control_group_v2_above_a_process_limits_its_memory(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("0::/job/step\n")
    stat = "anon 1\ninactive_file 100\n"
    write_files(tmp_path / "job", {"memory.max": "5000\n", "memory.current": "1000\n", "memory.stat": stat})
    write_files(tmp_path / "job/step", {"memory.max": "max\n", "memory.current": "600\n", "memory.stat": stat})
    assert list(memory._group_bytes(membership, tmp_path)) == [4100]
    assert list(memory._group_bytes(tmp_path / "absent", tmp_path)) == []


def test_a_control_group_v1_limits_the_memory_also_where_its_path_is_that_of_the_host(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("5:memory:/docker/abc\n4:cpu:/docker/abc\n")
    stat = "inactive_file 7\ntotal_inactive_file 100\n"
    files = {"memory.limit_in_bytes": "5000\n", "memory.usage_in_bytes": "1000\n", "memory.stat": stat}
    write_files(tmp_path / "memory", files)
    assert list(memory._group_bytes(membership, tmp_path)) == [4100]


def test_available_memory_is_what_the_tightest_limit_leaves(monkeypatch):
    assert 2**20 < available_bytes() < 2**50
    monkeypatch.setattr(memory, "_group_bytes", lambda membership, root: iter([12345, 99999]))
    assert available_bytes() == 12345
    monkeypatch.setattr(memory, "_group_bytes", lambda membership, root: iter([-5]))
    assert available_bytes() == 0


def test_memory_is_known_where_there_is_no_meminfo(monkeypatch):
    def absent(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", absent)
    assert 2**20 < memory._machine_bytes() < 2**50
