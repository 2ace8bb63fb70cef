"""MinAtar: five Atari games on a 10×10 grid (Young & Tian 2019), for experiments of minutes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redo_lab.config import ConfigError, nearest, require
from redo_lab.experience import Env, Rendered
from redo_lab.types import Action, Discrete, EnvSpec, Step

GAMES = ("asterix", "breakout", "freeway", "seaquest", "space_invaders")
COLOURS = np.array(
    [
        *((17, 17, 17), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)),
        *((204, 121, 167), (187, 187, 187), (255, 255, 255), (120, 94, 240)),
    ],
    np.uint8,
)
"""Of an empty cell, then of each channel; Okabe and Ito's, which colour-blind eyes tell apart, come first."""
KINDS = np.arange(1, len(COLOURS), dtype=np.uint8)[:, None, None]
FIXED = ("channels", "action_map", "random")
"""Attributes of a game that are constants, or the generator, which it shares with the wrapper."""


class MinAtar(Env, Rendered):
    """One game: frames uint8 {0, 1} [C, 10, 10], one channel a kind of object; the game's minimal actions.

    Difficulty ramps as a game goes on, as the library has it by default. A game and its sticky actions draw from one
    generator of their own; MinAtar keeps the action that may stick across a reset, ALE does not.
    """

    @dataclass
    class Config:
        """`suite` names the reference scores; limits count agent steps (MinAtar itself has no limit).

        `timeout_seconds` is the guard's (`guard.py`).
        """

        suite: str
        game: str
        sticky_action_probability: float
        max_episode_env_steps: int
        clip_rewards: bool
        timeout_seconds: float | None = None

        def __post_init__(self) -> None:
            if self.game not in GAMES:
                raise ConfigError(f"no MinAtar game '{self.game}': {nearest(self.game, GAMES)}")
            require(
                0 <= self.sticky_action_probability < 1,
                f"sticky_action_probability must be in [0, 1), got {self.sticky_action_probability}",
            )
            require(
                self.max_episode_env_steps >= 1, f"max_episode_env_steps must be ≥ 1, got {self.max_episode_env_steps}"
            )

        @property
        def game_id(self) -> str:
            """The game: space_invaders."""
            return self.game

    @classmethod
    def games(cls, node: Mapping[str, Any]) -> dict[str, str]:
        """The options `env=minatar/…`, each with its `env.game`."""
        return {game: game for game in GAMES}

    @classmethod
    def spec_of(cls, config: Config) -> EnvSpec:
        """The spec without an environment."""
        return _spec(config.game)

    def __init__(self, config: Config, *, seed: int, training: bool) -> None:
        from minatar import Environment

        self.spec = self.spec_of(config)
        self.frames_per_second = 10.0
        self._config = config
        self._game = Environment(config.game, sticky_action_prob=config.sticky_action_probability)
        # Seeding replaces the generator that drew the state at construction; the first reset draws that state again.
        self._game.seed(seed)
        self._actions = self._game.minimal_action_set()
        self._game_env_steps = 0
        self._game_return = 0.0
        self._episode_over = True

    def reset(self) -> NDArray[np.uint8]:
        self._game.reset()
        self._game_env_steps = 0
        self._game_return = 0.0
        self._episode_over = False
        return self._observation()

    def step(self, action: Action) -> Step:
        """Plays action number `action` of the minimal set; the observation is the caller's to keep."""
        assert not self._episode_over, "reset comes first"
        reward, terminated = self._game.act(self._actions[int(action)])
        self._game_env_steps += 1
        self._game_return += float(reward)
        truncated = not terminated and self._game_env_steps == self._config.max_episode_env_steps
        self._episode_over = terminated or truncated
        learned = min(max(float(reward), -1.0), 1.0) if self._config.clip_rewards else float(reward)
        game_return = self._game_return if self._episode_over else None
        return Step(self._observation(), learned, terminated, truncated, game_return)

    def render(self) -> NDArray[np.uint8]:
        """The board [10, 10, 3]: a colour for each kind of object, that of the last channel where several meet."""
        board: NDArray[np.uint8] = COLOURS[(self._observation() * KINDS[: self.spec.frame_shape[0]]).max(axis=0)]
        return board

    def state_dict(self) -> dict[str, Any]:
        """All that the future depends on; another environment of the same config continues from it bit for bit."""
        return {
            "game": {name: _plain(value) for name, value in vars(self._game.env).items() if name not in FIXED},
            "generator": self._game.random.get_state(legacy=False),
            "last_action": self._game.last_action,
            "game_env_steps": self._game_env_steps,
            "game_return": self._game_return,
            "episode_over": self._episode_over,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`, which stays the caller's."""
        vars(self._game.env).update(_plain(state["game"]))
        self._game.random.set_state(state["generator"])
        self._game.last_action = state["last_action"]
        self._game_env_steps = state["game_env_steps"]
        self._game_return = state["game_return"]
        self._episode_over = state["episode_over"]

    def _observation(self) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self._game.state().transpose(2, 0, 1), dtype=np.uint8)


@functools.cache
def _spec(game: str) -> EnvSpec:
    # Imported here because minatar draws in matplotlib and seaborn (1.5 s) for a display we do not open.
    from minatar import Environment

    environment = Environment(game)
    rows, columns, channels = environment.state_shape()
    actions = Discrete(len(environment.minimal_action_set()))
    return EnvSpec((channels, rows, columns), stack=1, dtype=np.uint8, actions=actions, frame_skip=1)


def _plain(value: Any) -> Any:
    """A deep copy with Python numbers for NumPy's, which mean the same in these games of integers."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.item() if isinstance(value, np.generic) else value
