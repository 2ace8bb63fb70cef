"""An environment: a corridor with a reward at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redo_lab.config import require
from redo_lab.experience import Env
from redo_lab.types import Action, Discrete, EnvSpec, Step


class Corridor(Env):
    """Walk right along `length` cells; a step goes astray now and then."""

    @dataclass
    class Config:
        """`suite` and `length` name the game; `max_episode_env_steps` is the time limit."""

        suite: str
        length: int
        astray_probability: float
        max_episode_env_steps: int

        def __post_init__(self) -> None:
            require(self.length >= 2, f"length must be ≥ 2, got {self.length}")

        @property
        def game_id(self) -> str:
            return f"corridor{self.length}"

    @classmethod
    def spec_of(cls, config: Config) -> EnvSpec:
        """The spec without an environment."""
        return EnvSpec((config.length,), stack=1, dtype=np.float32, actions=Discrete(2), frame_skip=1)

    def __init__(self, config: Config, *, seed: int, training: bool) -> None:
        self.spec, self.config = self.spec_of(config), config
        self.generator = np.random.default_rng(seed)
        self.cell = self.env_steps = 0

    def reset(self) -> NDArray[np.float32]:
        self.cell = self.env_steps = 0
        return self._obs()

    def step(self, action: Action) -> Step:
        right = bool(action) != (self.generator.random() < self.config.astray_probability)
        self.cell = max(0, self.cell + (1 if right else -1))
        self.env_steps += 1
        ended = self.cell == self.config.length - 1
        truncated = not ended and self.env_steps == self.config.max_episode_env_steps
        game_return = float(ended) if ended or truncated else None
        return Step(self._obs(), float(ended), ended, truncated, game_return)

    def _obs(self) -> NDArray[np.float32]:
        return np.eye(self.config.length, dtype=np.float32)[self.cell]

    def state_dict(self) -> dict[str, Any]:
        """All that the future depends on."""
        generator = self.generator.bit_generator.state
        return {"cell": self.cell, "env_steps": self.env_steps, "generator": generator}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.cell, self.env_steps = state["cell"], state["env_steps"]
        self.generator.bit_generator.state = state["generator"]
