"""Classic control and MuJoCo against Gymnasium stepped directly."""

import warnings
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from redo_lab.config import ConfigError
from redo_lab.envs.gymnasium_env import GymnasiumEnv
from redo_lab.types import Action, Box, Discrete, EnvSpec, Step

CLASSIC = [("CartPole", "v1"), ("Acrobot", "v1")]
MUJOCO = [(game, version) for game in ("HalfCheetah", "Hopper", "Walker2d", "Ant") for version in ("v4", "v5")]


def config(game: str = "CartPole", version: str = "v1", **changes: object) -> GymnasiumEnv.Config:
    base = GymnasiumEnv.Config(suite="", game=game, version=version, max_episode_env_steps=60)
    return replace(base, **changes)


def random_action(spec: EnvSpec, generator: np.random.Generator) -> Action:
    if isinstance(spec.actions, Discrete):
        return int(generator.integers(spec.actions.n))
    return generator.uniform(spec.actions.low, spec.actions.high).astype(np.float32)


def play(env: GymnasiumEnv, env_steps: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    seen = [env.reset()]
    for _ in range(env_steps):
        step = env.step(random_action(env.spec, generator))
        seen.append(step.obs)
        if step.terminated or step.truncated:
            seen.append(env.reset())
    return seen


@pytest.mark.parametrize(("game", "version"), CLASSIC + MUJOCO)
def test_every_value_is_gymnasiums(game: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log beside us when Gymnasium is used directly
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*out of date", DeprecationWarning)
        theirs = gymnasium.make(f"{game}-{version}", max_episode_steps=60)
    ours = GymnasiumEnv(config(game, version), seed=4, training=True)
    generator = np.random.default_rng(2)

    (expected, _), obs, total, ends = theirs.reset(seed=4), ours.reset(), 0.0, 0
    for _ in range(150):
        assert obs.dtype == np.float32
        assert np.array_equal(obs, expected.astype(np.float32))
        action = random_action(ours.spec, generator)
        expected, reward, terminated, truncated, _ = theirs.step(action)
        step = ours.step(action)
        total += float(reward)
        assert step.reward == float(reward)
        assert (step.terminated, step.truncated) == (terminated, truncated and not terminated)
        assert step.game_return == (total if terminated or truncated else None)
        assert np.array_equal(step.obs, expected.astype(np.float32))
        obs = step.obs
        if terminated or truncated:
            (expected, _), obs, total, ends = theirs.reset(), ours.reset(), 0.0, ends + 1
    assert ends >= 2
    theirs.close()


def test_the_limit_truncates_and_a_fall_terminates() -> None:
    cheetah = GymnasiumEnv(config("HalfCheetah", "v5", max_episode_env_steps=15), seed=0, training=True)
    cheetah.reset()
    steps: list[Step] = [cheetah.step(np.zeros(6, np.float32)) for _ in range(15)]
    assert [step.truncated for step in steps] == [False] * 14 + [True]
    assert not any(step.terminated for step in steps)

    pole = GymnasiumEnv(config(), seed=0, training=True)
    pole.reset()
    fall = next(step for step in (pole.step(0) for _ in range(60)) if step.terminated)
    assert not fall.truncated
    assert fall.game_return is not None


def test_a_fall_on_the_last_allowed_step_is_not_truncation() -> None:
    def steps_until_end(limit: int) -> list[Step]:
        env = GymnasiumEnv(config(max_episode_env_steps=limit), seed=0, training=True)
        env.reset()
        steps = [env.step(0)]
        while not (steps[-1].terminated or steps[-1].truncated):
            steps.append(env.step(0))
        return steps

    last = steps_until_end(len(steps_until_end(60)))[-1]
    assert (last.terminated, last.truncated) == (True, False)


@pytest.mark.parametrize(("game", "version"), [("CartPole", "v1"), ("Ant", "v5")])
def test_the_seed_alone_fixes_the_trajectory(game: str, version: str) -> None:
    np.random.seed(1)  # noqa: NPY002 - global state must not matter
    first = play(GymnasiumEnv(config(game, version), seed=5, training=True), 100)
    np.random.seed(2)  # noqa: NPY002
    again = play(GymnasiumEnv(config(game, version), seed=5, training=True), 100)
    other = play(GymnasiumEnv(config(game, version), seed=6, training=True), 100)
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[0], other[0])


def test_a_reset_continues_the_generator() -> None:
    env = GymnasiumEnv(config(), seed=5, training=True)
    assert not np.array_equal(env.reset(), env.reset())


def test_specs_come_from_the_environments() -> None:
    assert GymnasiumEnv.spec_of(config()) == EnvSpec((4,), 1, np.float32, Discrete(2), 1)
    hopper = GymnasiumEnv.spec_of(config("Hopper", "v5"))
    assert hopper == EnvSpec((11,), 1, np.float32, Box((-1.0,) * 3, (1.0,) * 3), frame_skip=4)
    pendulum = GymnasiumEnv.spec_of(config("Pendulum", "v1"))
    assert pendulum.actions == Box((-2.0,), (2.0,))


def test_old_versions_start_without_noise_or_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    GymnasiumEnv(config("HalfCheetah", "v4"), seed=0, training=False)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_refused() -> None:
    with pytest.raises(ConfigError, match="no Gymnasium environment 'CartPol-v1': did you mean 'CartPole-v1'"):
        config("CartPol")
    with pytest.raises(ConfigError, match=r"HalfCheetah-v2: .*moved to the gymnasium-robotics"):
        GymnasiumEnv.spec_of(config("HalfCheetah", "v2"))
    with pytest.raises(ConfigError, match="FrozenLake-v1: observations must be a vector"):
        GymnasiumEnv.spec_of(config("FrozenLake"))
    with pytest.raises(ConfigError, match="max_episode_env_steps must be ≥ 1"):
        config(max_episode_env_steps=0)
