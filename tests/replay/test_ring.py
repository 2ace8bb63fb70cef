from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redo_lab.config import ConfigError
from redo_lab.replay import ring
from redo_lab.replay.ring import Replay
from redo_lab.types import Transition
from tests.helpers.naive_replay import NaiveReplay
from tests.helpers.replays import ATARI, Player, make, pixels, vectors


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


@settings(max_examples=250)
@given(
    spec=specs,
    n_step=st.integers(1, 5),
    room=st.integers(2, 20),
    discount=st.sampled_from([0.0, 0.9, 1.0]),
    episodes=st.lists(st.tuples(st.integers(0, 12), ends), max_size=8),
)
def test_every_valid_start_and_its_transition_equal_the_naive_ones(spec, n_step, room, discount, episodes):
    capacity = n_step + room
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
    monkeypatch.setattr(ring, "MAX_DRAWS", max_draws)
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
        make(ATARI, capacity=3).start(np.zeros((84, 84), np.uint8))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 1, 0.9), "capacity must be ≥ 1"),
        ((9, 0, 0.9), "n_step must be ≥ 1"),
        ((9, 1, 1.1), "discount must be in"),
        ((4, 3, 0.9), "n_step=3 needs a capacity of more than 4 observations, got capacity=4"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Replay.Config(*values)
