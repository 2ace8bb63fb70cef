"""Classic control and MuJoCo: any Gymnasium environment with a vector of numbers for an observation."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Mapping
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
from redo_lab.experience import Env, Rendered
from redo_lab.types import Action, Box, Discrete, EnvSpec, Step

CONSTANT = {
    *("spec", "metadata", "action_space", "observation_space", "observation_structure", "fullpath", "model"),
    *("mujoco_renderer", "screen", "clock", "surf", "render_mode", "_ezpickle_args", "_ezpickle_kwargs"),
}
"""Attributes of Gymnasium's environments that construction settles, or that only rendering uses."""

READ_BEFORE_STEP = (
    *("xpos", "xquat", "xmat", "xipos", "ximat", "geom_xpos", "geom_xmat", "site_xpos", "site_xmat"),
    *("subtree_com", "cinert", "cvel"),
)
"""MuJoCo's poses and velocities of bodies. They lag one substep behind qpos, so that they can't be computed from it,
and Ant, Humanoid and others read them before they step. A step computes all else anew before anything reads it."""


class GymnasiumEnv(Env, Rendered):
    """`game`-`version`, its observation as float32 [D]; continuous actions lie in the environment's own bounds."""

    @dataclass
    class Config:
        """`suite` names the reference scores; `max_episode_env_steps` is the time limit.

        `timeout_seconds` is the guard's (`guard.py`).
        """

        suite: str
        game: str
        version: str
        max_episode_env_steps: int
        timeout_seconds: float | None = None

        def __post_init__(self) -> None:
            options = [name for name in gymnasium.registry if "/" not in name]
            require(
                self.env_id in options, f"no Gymnasium environment '{self.env_id}': {nearest(self.env_id, options)}"
            )
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
    def games(cls, node: Mapping[str, Any]) -> dict[str, str]:
        """halfcheetah → HalfCheetah: all that Gymnasium has of the suite in that version, with `env.game`."""
        suite, version = f"gymnasium.envs.{node['suite']}", str(node["version"])
        specs = (spec for spec in gymnasium.registry.values() if str(spec.entry_point).startswith(suite))
        return {spec.name.lower(): spec.name for spec in specs if f"v{spec.version}" == version}

    @classmethod
    def spec_of(cls, config: Config) -> EnvSpec:
        """The spec without an environment; the first call for an environment constructs it once."""
        return _spec(config.env_id)

    def __init__(self, config: Config, *, seed: int, training: bool) -> None:
        self.spec = self.spec_of(config)
        self._config = config
        self._env = _make(config.env_id)
        self.frames_per_second = float(self._env.metadata.get("render_fps", 30))
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

    def render(self) -> NDArray[np.uint8]:
        """As Gymnasium draws it; ConfigError where this machine can't."""
        try:
            frame = self._env.render()
        except Exception as error:
            raise ConfigError(
                f"{self._config.env_id} can't be drawn here: {error}{_drawing_hint(self._env)}"
            ) from error
        return np.asarray(frame, np.uint8)

    def state_dict(self) -> dict[str, Any]:
        """All that the future depends on; another environment of the same config continues from it bit for bit.

        ValueError where the environment keeps what we can't save (a Box2D world).
        """
        others = {*CONSTANT, "data", "_np_random"}
        attributes = {name: value for name, value in vars(self._env).items() if name not in others}
        return {
            "attributes": {name: _plain(value, f"{self._config.env_id}: {name}") for name, value in attributes.items()},
            "physics": _physics(self._env) if hasattr(self._env, "data") else None,
            "generator": self._env.np_random.bit_generator.state,
            "game_env_steps": self._game_env_steps,
            "game_return": self._game_return,
            "episode_over": self._episode_over,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`, which stays the caller's."""
        attributes = {name: value for name, value in state["attributes"].items() if name not in CONSTANT}
        vars(self._env).update({name: _from_plain(value) for name, value in attributes.items()})
        if state["physics"] is not None:
            _set_physics(self._env, state["physics"])
        self._env.np_random.bit_generator.state = state["generator"]
        self._game_env_steps = state["game_env_steps"]
        self._game_return = state["game_return"]
        self._episode_over = state["episode_over"]


def _drawing_hint(env: Any) -> str:
    return "; without a display try MUJOCO_GL=egl or MUJOCO_GL=osmesa" if hasattr(env, "model") else ""


def _physics(env: Any) -> dict[str, NDArray[np.float64]]:
    integration = np.empty(mujoco.mj_stateSize(env.model, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(env.model, env.data, integration, mujoco.mjtState.mjSTATE_INTEGRATION)
    return {"integration": integration, **{name: getattr(env.data, name).copy() for name in READ_BEFORE_STEP}}


def _set_physics(env: Any, physics: Mapping[str, NDArray[np.float64]]) -> None:
    mujoco.mj_setState(env.model, env.data, physics["integration"], mujoco.mjtState.mjSTATE_INTEGRATION)
    for name in READ_BEFORE_STEP:
        getattr(env.data, name)[:] = physics[name]


def _plain(value: Any, name: str) -> Any:
    """A copy without NumPy's scalars and tuples: a scalar becomes a 0-d array, for its type matters to later sums."""
    if isinstance(value, np.ndarray | np.generic):
        return np.array(value)
    if isinstance(value, tuple):
        return {"tuple": [_plain(part, name) for part in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{name} is a {type(value).__name__}, which can't be saved: this environment can't be resumed")


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(map(_from_plain, value["tuple"]))
    if isinstance(value, np.ndarray):
        return value.copy() if value.ndim else value[()]
    return value


@functools.cache
def _spec(env_id: str) -> EnvSpec:
    env = _make(env_id)
    observation_space, action_space = env.observation_space, env.action_space
    if not isinstance(observation_space, spaces.Box) or len(observation_space.shape) != 1:
        raise ConfigError(f"{env_id}: observations must be a vector of numbers, got {observation_space}")
    actions: Discrete | Box
    if isinstance(action_space, spaces.Discrete) and action_space.start == 0:
        actions = Discrete(int(action_space.n))
    elif isinstance(action_space, spaces.Box) and len(action_space.shape) == 1:
        actions = Box(tuple(map(float, action_space.low)), tuple(map(float, action_space.high)))
    else:
        raise ConfigError(f"{env_id}: actions must be discrete or a vector of numbers, got {action_space}")
    return EnvSpec(observation_space.shape, 1, np.float32, actions, frame_skip=getattr(env, "frame_skip", 1))


def _make(env_id: str) -> gymnasium.Env[Any, Any]:
    """The environment without wrappers: the time limit is ours, to tell truncation from termination."""
    with _quiet_about_age():
        try:
            return gymnasium.make(env_id, disable_env_checker=True, render_mode="rgb_array").unwrapped
        except (gymnasium.error.Error, ImportError) as error:
            raise ConfigError(f"{env_id}: {error}") from error


@contextmanager
def _quiet_about_age() -> Iterator[None]:
    """Drops two warnings that a user can do nothing about, and no other.

    Gymnasium calls the -v4 environments out of date, which is why a config names them; MuJoCo calls an attribute of
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
