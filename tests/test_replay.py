from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redo_lab import replay as replay_module
from redo_lab.config import ConfigError
from redo_lab.replay import Replay, available_bytes, bytes_needed, check_memory
from redo_lab.types import Box, Discrete, EnvSpec, Transition
from tests.naive_replay import NaiveReplay

CPU = torch.device("cpu")
ATARI = EnvSpec(frame_shape=(1, 84, 84), stack=4, dtype=np.uint8, actions=Discrete(6), frame_skip=4)


def pixels(stack: int, channels: int = 1) -> EnvSpec:
    return EnvSpec((channels, 2, 3), stack, np.uint8, Discrete(5), 1)


def vectors(stack: int = 1) -> EnvSpec:
    return EnvSpec((3,), stack, np.float32, Box((-1.0, -1.0), (1.0, 1.0)), 1)


def make(spec: EnvSpec, capacity: int = 100, n_step: int = 1, discount: float = 0.9) -> Replay:
    return Replay(Replay.Config(capacity, n_step, discount), spec=spec, device=CPU)


class Player:
    """Feeds every replay the same episodes; frame k is full of k + 1, so that no two frames and no zero are alike."""

    def __init__(self, spec: EnvSpec, *replays: Replay | NaiveReplay) -> None:
        self.spec, self.replays = spec, replays
        self.rng = np.random.default_rng(0)
        self.frame = 0
        self.obs = np.zeros(spec.obs_shape, spec.dtype)

    def _see(self, before: np.ndarray) -> np.ndarray:
        self.frame += 1
        newest = np.full(self.spec.frame_shape, self.frame, self.spec.dtype)
        self.obs = np.concatenate((before, newest))[self.spec.frame_shape[0] :]
        return self.obs

    def start(self) -> None:
        obs = self._see(np.zeros_like(self.obs))
        for replay in self.replays:
            replay.start(obs)

    def step(self, reward: float | None = None, *, terminated: bool = False, truncated: bool = False) -> None:
        action = self.rng.integers(5) if isinstance(self.spec.actions, Discrete) else self.rng.normal(size=2)
        reward = float(np.float32(self.rng.normal())) if reward is None else reward
        obs = self._see(self.obs)
        for replay in self.replays:
            replay.append(np.float32(action) if np.ndim(action) else int(action), reward, obs, terminated, truncated)

    def episode(self, length: int, end: str) -> None:
        """end: terminated, truncated, both, or open (left so)."""
        self.start()
        for k in range(length):
            last = k == length - 1
            self.step(
                terminated=last and end in ("terminated", "both"), truncated=last and end in ("truncated", "both")
            )


def assert_same_as_naive(replay: Replay, naive: NaiveReplay) -> None:
    starts = replay.valid_starts()
    assert starts.tolist() == naive.valid_starts()
    if not len(starts):
        return
    batch = replay.transitions(starts)
    expected = [naive.transition(start) for start in starts]
    assert np.array_equal(batch.obs, np.stack([e[0] for e in expected]))
    assert np.array_equal(batch.action, np.array([e[1] for e in expected]))
    np.testing.assert_allclose(batch.reward, np.array([e[2] for e in expected]), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(batch.discount, np.array([e[3] for e in expected]), rtol=1e-6)
    assert np.array_equal(batch.next_obs, np.stack([e[4] for e in expected]))


ends = st.sampled_from(["terminated", "truncated", "both", "open"])
specs = st.one_of(
    st.builds(pixels, st.integers(1, 4), st.integers(1, 2)),
    st.builds(vectors, st.integers(1, 2)),
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    spec=specs,
    capacity=st.integers(1, 24),
    n_step=st.integers(1, 5),
    discount=st.sampled_from([0.0, 0.9, 1.0]),
    episodes=st.lists(st.tuples(st.integers(0, 12), ends), max_size=8),
)
def test_every_valid_start_and_its_transition_equal_the_naive_ones(spec, capacity, n_step, discount, episodes):
    replay = make(spec, capacity, n_step, discount)
    naive = NaiveReplay(capacity, n_step, discount, spec.stack)
    player = Player(spec, replay, naive)
    for length, end in episodes:
        player.episode(length, end)
        assert_same_as_naive(replay, naive)
        assert (len(replay), replay.added) == (min(capacity, player.frame), player.frame)


@pytest.mark.parametrize("n_step", [1, 3])
def test_every_step_of_a_full_ring_equals_the_naive_one(n_step):
    spec = pixels(stack=4)
    replay, naive = make(spec, 9, n_step), NaiveReplay(9, n_step, 0.9, 4)
    player = Player(spec, replay, naive)
    for length in [2, 7, 1, 20, 3, 3, 11]:
        player.start()
        for k in range(length):
            player.step(terminated=k == length - 1 and length % 2 == 1)
            assert_same_as_naive(replay, naive)


def test_a_batch_has_the_types_and_shapes_of_a_transition():
    for spec, action_dtype, action_shape in [
        (pixels(4, channels=2), torch.int64, (6,)),
        (vectors(), torch.float32, (6, 2)),
    ]:
        for n_step in (1, 3):
            replay = make(spec, n_step=n_step)
            Player(spec, replay).episode(10, "truncated")
            batch = replay.sample(6, np.random.default_rng(0))
            obs_dtype = torch.uint8 if spec.dtype is np.uint8 else torch.float32
            assert (batch.obs.dtype, batch.next_obs.dtype) == (obs_dtype, obs_dtype)
            assert batch.obs.shape == batch.next_obs.shape == (6, *spec.obs_shape)
            assert (batch.action.dtype, batch.action.shape) == (action_dtype, action_shape)
            assert (batch.reward.dtype, batch.reward.shape) == (torch.float32, (6,))
            assert (batch.discount.dtype, batch.discount.shape) == (torch.float32, (6,))


def counts_of_drawn_starts(replay: Replay, draws: int) -> dict[int, int]:
    """Starts told apart by the newest frame of obs, which is the entry's number + 1."""
    batch = replay.sample(draws, np.random.default_rng(5))
    numbers, counts = np.unique(batch.obs[:, -1, 0, 0].numpy().astype(np.int64) - 1, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("n_step", [1, 4])
@pytest.mark.parametrize("max_draws", [16, 1, 0])
def test_sampling_is_uniform_over_exactly_the_valid_starts(monkeypatch, n_step, max_draws):
    monkeypatch.setattr(replay_module, "MAX_DRAWS", max_draws)
    spec = pixels(stack=4)
    replay = make(spec, 40, n_step)
    player = Player(spec, replay)
    for length, end in [(30, "truncated"), (1, "terminated"), (9, "open"), (2, "terminated"), (11, "open")]:
        player.episode(length, end)
    expected = replay.valid_starts().tolist()
    draws = 1000 * len(expected)
    counts = counts_of_drawn_starts(replay, draws)
    assert sorted(counts) == expected
    chi_square = sum((count - 1000) ** 2 / 1000 for count in counts.values())
    freedom = len(expected) - 1
    assert chi_square < freedom + 3 * np.sqrt(2 * freedom)


def test_a_single_valid_start_among_many_entries_is_found():
    spec = pixels(stack=1)
    replay = make(spec, 200)
    player = Player(spec, replay)
    player.episode(1, "terminated")
    for _ in range(190):
        player.start()
    assert replay.valid_starts().tolist() == [0]
    assert counts_of_drawn_starts(replay, 3) == {0: 3}


def test_sampling_without_a_valid_start_says_why():
    spec = pixels(stack=4)
    replay = make(spec, n_step=3)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no transition to sample: of 0 observations"):
        replay.sample(1, rng)
    player = Player(spec, replay)
    player.start()
    player.step()
    player.step()
    with pytest.raises(ValueError, match=r"of 3 observations stored \(capacity 100\) none has .* 4 .* 3 steps"):
        replay.sample(1, rng)
    player.step()
    assert replay.sample(2, rng).obs[:, -1, 0, 0].tolist() == [1, 1]


def rewards_episode(n_step: int, **end: bool) -> Transition:
    """All transitions of one episode with rewards 1, 10, 100, discount 0.5."""
    spec = pixels(stack=2)
    replay = make(spec, n_step=n_step, discount=0.5)
    player = Player(spec, replay)
    player.start()
    player.step(1.0)
    player.step(10.0)
    player.step(100.0, **end)
    player.episode(4, "open")
    return replay.transitions(replay.valid_starts()[:3])


def test_truncation_keeps_the_bootstrap():
    assert rewards_episode(1, truncated=True).discount.tolist() == [0.5, 0.5, 0.5]
    assert rewards_episode(2, truncated=True).discount.tolist() == [0.25, 0.25, 0.5]
    assert rewards_episode(2, truncated=True).next_obs[:, -1, 0, 0].tolist() == [3, 4, 4]


def test_a_reset_in_mid_episode_is_a_truncation():
    assert rewards_episode(2).discount.tolist() == [0.25, 0.25, 0.5]
    assert rewards_episode(2).next_obs[:, -1, 0, 0].tolist() == [3, 4, 4]


def test_termination_drops_the_bootstrap():
    assert rewards_episode(1, terminated=True).discount.tolist() == [0.5, 0.5, 0.0]
    assert rewards_episode(2, terminated=True).discount.tolist() == [0.25, 0.0, 0.0]
    assert rewards_episode(2, terminated=True, truncated=True).discount.tolist() == [0.25, 0.0, 0.0]


def test_n_step_returns_stop_at_the_end_of_an_episode():
    assert rewards_episode(1, terminated=True).reward.tolist() == [1, 10, 100]
    for end in ({"terminated": True}, {"truncated": True}, {}):
        assert rewards_episode(2, **end).reward.tolist() == [6, 60, 100]
        assert rewards_episode(5, **end).reward.tolist() == [31, 60, 100]


def test_a_sum_of_rewards_is_rounded_once():
    spec = pixels(stack=1)
    replay = make(spec, n_step=3, discount=1.0)
    player = Player(spec, replay)
    player.start()
    for reward in (1e8, 1.0, -1e8):
        player.step(reward)
    assert replay.transitions(replay.valid_starts()).reward.tolist() == [1.0]


@pytest.mark.parametrize("n_step", [1, 2])
def test_frames_before_the_start_of_an_episode_are_zero(n_step):
    spec = pixels(stack=4)
    replay = make(spec, n_step=n_step)
    player = Player(spec, replay)
    player.episode(3, "terminated")
    player.episode(3, "terminated")
    batch = replay.transitions(np.array([4, 5, 6]))
    assert batch.obs[:, :, 1, 2].tolist() == [[0, 0, 0, 5], [0, 0, 5, 6], [0, 5, 6, 7]]
    one, two = [[0, 0, 5, 6], [0, 5, 6, 7], [5, 6, 7, 8]], [[0, 5, 6, 7], [5, 6, 7, 8], [5, 6, 7, 8]]
    assert batch.next_obs[:, :, 1, 2].tolist() == (one if n_step == 1 else two)


def test_the_same_generator_state_gives_the_same_batch():
    spec = pixels(stack=2)
    replay = make(spec, 30)
    player = Player(spec, replay)
    for _ in range(8):
        player.episode(5, "terminated")
    first, again, other = (replay.sample(16, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.obs, other.obs)


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("spec", [pixels(4), vectors()])
def test_later_batches_and_later_entries_leave_an_earlier_batch_alone(spec, n_step):
    replay = make(spec, 20, n_step)
    player = Player(spec, replay)
    player.episode(15, "open")
    rng = np.random.default_rng(0)
    batch = replay.sample(8, rng)
    copies = [tensor.clone() for tensor in batch]
    held = [replay.sample(8, rng) for _ in range(20)]
    player.episode(30, "terminated")
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(batch, copies, strict=True))
    assert any(not torch.equal(batch.obs, other.obs) for other in held)


def test_append_needs_an_open_episode():
    spec = pixels(stack=1)
    player = Player(spec, make(spec))
    with pytest.raises(AssertionError, match="call start first"):
        player.step()
    player.episode(2, "truncated")
    with pytest.raises(AssertionError, match="call start first"):
        player.step()


def test_an_observation_of_another_shape_is_refused():
    with pytest.raises(AssertionError, match=r"expected \(4, 84, 84\), got \(84, 84\)"):
        make(ATARI, capacity=1).start(np.zeros((84, 84), np.uint8))


@pytest.mark.parametrize(
    ("values", "message"),
    [((0, 1, 0.9), "capacity must be ≥ 1"), ((1, 0, 0.9), "n_step must be ≥ 1"), ((1, 1, 1.1), "discount must be in")],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Replay.Config(*values)


@pytest.mark.parametrize("spec", [ATARI, vectors()])
def test_bytes_needed_is_the_size_of_the_arrays(spec):
    replay = make(spec, capacity=50)
    arrays = [value for value in vars(replay).values() if isinstance(value, np.ndarray) and len(value) == 50]
    assert len(arrays) == 5
    assert bytes_needed(replay.config, spec) == sum(array.nbytes for array in arrays)


def test_an_atari_transition_takes_at_most_7100_bytes():
    assert bytes_needed(Replay.Config(1_000_000, 1, 0.99), ATARI) <= 7100 * 1_000_000


def test_a_replay_larger_than_the_memory_is_refused_with_what_would_fit(monkeypatch):
    monkeypatch.setattr(replay_module, "available_bytes", lambda: 4 * 2**30)
    with pytest.raises(ConfigError) as refusal:
        check_memory(Replay.Config(1_000_000, 1, 0.99), ATARI)
    fits = 4 * 2**30 // 7070
    assert str(refusal.value) == (
        "a replay of 1000000 observations needs 6.6 GiB, 4.0 GiB of memory is available: "
        f"set replay.capacity={fits} or less, or scale=laptop"
    )
    check_memory(Replay.Config(fits, 1, 0.99), ATARI)
    with pytest.raises(ConfigError):
        check_memory(Replay.Config(fits + 1, 1, 0.99), ATARI)


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
    assert list(replay_module._group_bytes(membership, tmp_path)) == [4100]
    assert list(replay_module._group_bytes(tmp_path / "absent", tmp_path)) == []


def test_a_control_group_v1_limits_the_memory_also_where_its_path_is_that_of_the_host(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("5:memory:/docker/abc\n4:cpu:/docker/abc\n")
    stat = "inactive_file 7\ntotal_inactive_file 100\n"
    files = {"memory.limit_in_bytes": "5000\n", "memory.usage_in_bytes": "1000\n", "memory.stat": stat}
    write_files(tmp_path / "memory", files)
    assert list(replay_module._group_bytes(membership, tmp_path)) == [4100]


def test_available_memory_is_what_the_tightest_limit_leaves(monkeypatch):
    assert 2**20 < available_bytes() < 2**50
    monkeypatch.setattr(replay_module, "_group_bytes", lambda membership, root: iter([12345, 99999]))
    assert available_bytes() == 12345
    monkeypatch.setattr(replay_module, "_group_bytes", lambda membership, root: iter([-5]))
    assert available_bytes() == 0


def test_memory_is_known_where_there_is_no_meminfo(monkeypatch):
    def absent(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", absent)
    assert 2**20 < replay_module._machine_bytes() < 2**50
