"""Classic control and MuJoCo: any Gymnasium environment with a vector of numbers for an observation."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray

from redo_lab.config import ConfigError, nearest, require
from redo_lab.types import Action, Box, Discrete, EnvSpec, Step


class GymnasiumEnv:
    """`game`-`version`, its observation as float32 [D]; continuous actions lie in the environment's own bounds."""

    @dataclass
    class Config:
        """`suite` names the reference scores; `max_episode_env_steps` is the time limit."""

        suite: str
        game: str
        version: str
        max_episode_env_steps: int

        def __post_init__(self) -> None:
            known = [name for name in gymnasium.registry if "/" not in name]
            require(self.env_id in known, f"no Gymnasium environment '{self.env_id}': {nearest(self.env_id, known)}")
            require(
                self.max_episode_env_steps >= 1, f"max_episode_env_steps must be ≥ 1, got {self.max_episode_env_steps}"
            )

        @property
        def game_id(self) -> str:
            """The task in lower case: halfcheetah."""
            return self.game.lower()

        @property
        def env_id(self) -> str:
            return f"{self.game}-{self.version}"

    @classmethod
    def spec_of(cls, config: Config) -> EnvSpec:
        """The spec without an environment; the first call for an environment constructs it once."""
        return _spec(config.env_id)

    def __init__(self, config: Config, *, seed: int, training: bool) -> None:
        self.spec = self.spec_of(config)
        self._config = config
        self._env = _make(config.env_id)
        self._env.np_random, _ = seeding.np_random(seed)
        self._game_env_steps = 0
        self._game_return = 0.0
        self._episode_over = True

    def reset(self) -> NDArray[np.float32]:
        obs, _ = self._env.reset()
        self._game_env_steps = 0
        self._game_return = 0.0
        self._episode_over = False
        return np.array(obs, np.float32)

    def step(self, action: Action) -> Step:
        """Plays `action`; the observation is the caller's to keep."""
        assert not self._episode_over, "reset comes first"
        obs, reward, terminated, _, _ = self._env.step(action)
        self._game_env_steps += 1
        self._game_return += float(reward)
        truncated = not terminated and self._game_env_steps == self._config.max_episode_env_steps
        self._episode_over = terminated or truncated
        game_return = self._game_return if self._episode_over else None
        return Step(np.array(obs, np.float32), float(reward), bool(terminated), truncated, game_return)


@functools.cache
def _spec(env_id: str) -> EnvSpec:
    env = _make(env_id)
    seen, played = env.observation_space, env.action_space
    if not isinstance(seen, spaces.Box) or len(seen.shape) != 1:
        raise ConfigError(f"{env_id}: observations must be a vector of numbers, got {seen}")
    actions: Discrete | Box
    if isinstance(played, spaces.Discrete) and played.start == 0:
        actions = Discrete(int(played.n))
    elif isinstance(played, spaces.Box) and len(played.shape) == 1:
        actions = Box(tuple(map(float, played.low)), tuple(map(float, played.high)))
    else:
        raise ConfigError(f"{env_id}: actions must be discrete or a vector of numbers, got {played}")
    return EnvSpec(seen.shape, 1, np.float32, actions, frame_skip=getattr(env, "frame_skip", 1))


def _make(env_id: str) -> gymnasium.Env[Any, Any]:
    """The environment without wrappers: the time limit is ours, to tell truncation from termination."""
    with _quiet_about_age():
        try:
            return gymnasium.make(env_id, disable_env_checker=True).unwrapped
        except (gymnasium.error.Error, ImportError) as error:
            raise ConfigError(f"{env_id}: {error}") from error


@contextmanager
def _quiet_about_age() -> Iterator[None]:
    """Drops two messages that a user can do nothing about, and no other.

    Gymnasium calls the -v4 environments out of date, which is why they are asked for; MuJoCo calls an attribute of
    Gymnasium's half_cheetah.xml deprecated, and would also write that to MUJOCO_LOG.TXT in the working directory.
    """
    messages: list[str] = []
    previous = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(messages.append)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*The environment .* is out of date", DeprecationWarning)
            yield
    finally:
        mujoco.set_mju_user_warning(previous)
    for message in messages:
        if "'settotalmass' is deprecated" not in message:
            warnings.warn(f"MuJoCo: {message}", stacklevel=2)
