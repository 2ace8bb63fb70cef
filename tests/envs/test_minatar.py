"""MinAtar against the library stepped directly."""

from dataclasses import replace

import numpy as np
import pytest

from redo_lab.config import ConfigError
from redo_lab.envs.minatar import GAMES, MinAtar
from redo_lab.types import Discrete, EnvSpec, Step


def config(game: str = "breakout", **changes: object) -> MinAtar.Config:
    base = MinAtar.Config(
        suite="minatar", game=game, sticky_action_probability=0.1, max_episode_env_steps=5000, clip_rewards=False
    )
    return replace(base, **changes)


def play(env: MinAtar, env_steps: int) -> list[Step | np.ndarray]:
    actions = np.random.default_rng(0)
    seen: list[Step | np.ndarray] = [env.reset()]
    for _ in range(env_steps):
        step = env.step(int(actions.integers(env.spec.actions.n)))
        seen.append(step)
        if step.terminated or step.truncated:
            seen.append(env.reset())
    return seen


def equal(a: Step | np.ndarray, b: Step | np.ndarray) -> bool:
    if isinstance(a, Step) and isinstance(b, Step):
        return np.array_equal(a.obs, b.obs) and a[1:] == b[1:]
    return np.array_equal(a, b)


@pytest.mark.parametrize("game", GAMES)
def test_every_value_is_the_librarys(game: str) -> None:
    from minatar import Environment

    theirs = Environment(game, sticky_action_prob=0.1)
    theirs.seed(11)
    theirs.reset()
    minimal = theirs.minimal_action_set()
    ours = MinAtar(config(game), seed=11, training=True)
    actions = np.random.default_rng(1)

    obs, total = ours.reset(), 0
    for _ in range(1500):
        assert obs.dtype == np.uint8
        assert obs.flags.c_contiguous
        assert np.array_equal(obs, np.moveaxis(theirs.state(), -1, 0))
        choice = int(actions.integers(len(minimal)))
        reward, terminal = theirs.act(minimal[choice])
        step = ours.step(choice)
        total += reward
        expected = (float(reward), terminal, False, float(total) if terminal else None)
        assert step[1:] == expected
        assert np.array_equal(step.obs, np.moveaxis(theirs.state(), -1, 0))
        obs = step.obs
        if terminal:
            theirs.reset()
            obs, total = ours.reset(), 0


@pytest.mark.parametrize("game", GAMES)
def test_the_seed_alone_fixes_the_trajectory(game: str) -> None:
    np.random.seed(1)  # noqa: NPY002 - global state must not matter
    first = play(MinAtar(config(game), seed=5, training=True), 400)
    np.random.seed(2)  # noqa: NPY002
    again = play(MinAtar(config(game), seed=5, training=True), 400)
    other = play(MinAtar(config(game), seed=6, training=True), 400)
    assert len(first) == len(again)
    assert all(map(equal, first, again))
    assert not all(map(equal, first, other))


def test_playing_leaves_the_global_generator_alone() -> None:
    np.random.seed(1)  # noqa: NPY002
    play(MinAtar(config(), seed=5, training=True), 50)
    drawn = np.random.rand()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert drawn == np.random.rand()  # noqa: NPY002


def test_the_limit_truncates() -> None:
    env = MinAtar(config("freeway", max_episode_env_steps=20), seed=0, training=True)
    for _ in range(2):
        env.reset()
        steps = [env.step(1) for _ in range(20)]
        assert [step.truncated for step in steps] == [False] * 19 + [True]
        assert not any(step.terminated for step in steps)
        assert steps[-1].game_return == sum(step.reward for step in steps)


def test_termination_on_the_last_allowed_step_is_not_truncation() -> None:
    ends = [step for step in play(MinAtar(config(), seed=0, training=True), 100) if isinstance(step, Step)]
    length = next(number for number, step in enumerate(ends, start=1) if step.terminated)
    limited = play(MinAtar(config(max_episode_env_steps=length), seed=0, training=True), length)
    last = limited[length]
    assert isinstance(last, Step)
    assert (last.terminated, last.truncated) == (True, False)


def test_clipping_touches_the_learning_reward_only() -> None:
    raw = MinAtar(config("seaquest"), seed=0, training=True)
    clipped = MinAtar(config("seaquest", clip_rewards=True), seed=0, training=True)
    for env in (raw, clipped):
        env.reset()
        env._game.env.diver_count, env._game.env.sub_y, env._game.env.surface = 6, 1, False
    up = raw._actions.index(2)
    rewards = [(raw.step(up), clipped.step(up)) for _ in range(2)]
    best, learned = max(rewards, key=lambda pair: pair[0].reward)
    assert best.reward > 1
    assert learned.reward == 1
    assert raw._game_return == clipped._game_return > 1


def test_specs_come_from_the_games() -> None:
    shapes = {game: MinAtar.spec_of(config(game)) for game in GAMES}
    assert shapes["breakout"] == EnvSpec((4, 10, 10), 1, np.uint8, Discrete(3), 1)
    assert {game: (spec.frame_shape[0], spec.actions.n) for game, spec in shapes.items()} == {
        "asterix": (4, 5),
        "breakout": (4, 3),
        "freeway": (7, 3),
        "seaquest": (10, 6),
        "space_invaders": (6, 4),
    }


def test_mistakes_are_refused() -> None:
    with pytest.raises(ConfigError, match="no MinAtar game 'brekout': did you mean 'breakout'"):
        config("brekout")
    with pytest.raises(ConfigError, match="sticky_action_probability must be in"):
        config(sticky_action_probability=-0.1)
    with pytest.raises(ConfigError, match="max_episode_env_steps must be ≥ 1"):
        config(max_episode_env_steps=0)
