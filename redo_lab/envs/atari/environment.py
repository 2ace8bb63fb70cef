"""One game as an environment: frames, stacks, lives and the no-ops before a game."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ale_py
import cv2
import numpy as np
from numpy.typing import NDArray

from redo_lab.config import require
from redo_lab.envs.atari.games import action_count, canonical_game, emulator, rom_ids
from redo_lab.experience import Env, Rendered
from redo_lab.types import Action, Discrete, EnvSpec, Step

SIDE_PIXELS = 84
SCREENS_PER_SECOND = 60


class Atari(Env, Rendered):
    """One game: a frame is the pixel-wise maximum of the last 2 of `frame_skip` grey screens, area-resized to 84×84.

    A stack starts an episode filled with zeros but for its newest frame. Actions are the game's minimal set. A game
    opens with 0 to `noop_max` frames of the no-op, as many as the environment's own generator says. As in Dopamine's
    MaxEpisodeEvalRunner they are frames of the emulator, not agent steps, their rewards count nowhere, and the first
    observation is still the game's first screen; where they end the game, it starts again without them.

    Where a life lost ends an episode the game goes on: `reset` then returns the frame the last step returned, and
    `Step.game_return` spans the lives. In evaluation it ends no episode, but empties the stack all the same.

    As in Dopamine, a screen is fetched only after one of the last two frames of a skip, and only if nothing ended on
    that frame. The observation on which a game or a life ends therefore shows, in whole or in part, the screens of the
    step before; a new game starts with its first screen and an empty one.
    """

    @dataclass
    class Config:
        """`suite` names the reference scores; `terminal_on_life_loss` ends episodes in training only.

        `max_episode_env_steps`: agent steps; `noop_max`: frames. `timeout_seconds` is the guard's (`guard.py`).
        """

        suite: str
        game: str
        frame_skip: int
        stack: int
        sticky_action_probability: float
        terminal_on_life_loss: bool
        max_episode_env_steps: int
        clip_rewards: bool
        noop_max: int
        timeout_seconds: float | None = None

        def __post_init__(self) -> None:
            canonical_game(self.game)
            require(self.frame_skip >= 2, f"frame_skip must be ≥ 2 (a frame pools 2 screens), got {self.frame_skip}")
            require(self.stack >= 1, f"stack must be ≥ 1, got {self.stack}")
            require(
                0 <= self.sticky_action_probability < 1,
                f"sticky_action_probability must be in [0, 1), got {self.sticky_action_probability}",
            )
            require(
                self.max_episode_env_steps >= 1, f"max_episode_env_steps must be ≥ 1, got {self.max_episode_env_steps}"
            )
            require(self.noop_max >= 0, f"noop_max must be ≥ 0, got {self.noop_max}")

        @property
        def game_id(self) -> str:
            """The ROM id: demon_attack."""
            return canonical_game(self.game)

    @classmethod
    def games(cls, node: Mapping[str, Any]) -> dict[str, str]:
        """demon_attack → DemonAttack: the options `env=atari/…`, each with its `env.game`."""
        return {rom: "".join(map(str.capitalize, rom.split("_"))) for rom in rom_ids().values()}

    @classmethod
    def spec_of(cls, config: Config) -> EnvSpec:
        """The spec without an environment; the first call for a game starts it once (about 0.1 s)."""
        return _spec(config, action_count(canonical_game(config.game)))

    def __init__(self, config: Config, *, seed: int, training: bool) -> None:
        self._config = config
        self._training = training
        self._generator = np.random.default_rng(seed)
        self._ale = emulator(canonical_game(config.game), seed, config.sticky_action_probability)
        self._actions = self._ale.getMinimalActionSet()
        self.spec = _spec(config, len(self._actions))
        self.frames_per_second = SCREENS_PER_SECOND / config.frame_skip
        height, width = self._ale.getScreenDims()
        self._screens = [np.zeros((height, width), np.uint8) for _ in range(2)]
        self._stack = np.zeros(self.spec.obs_shape, np.uint8)
        self._before_game = self._ale.cloneState(include_rng=True)
        self._frame_actions: bytearray | None = None
        self._lives = 0
        self._game_env_steps = 0
        self._game_return = 0.0
        self._game_goes_on = False
        self._episode_over = True

    def reset(self) -> NDArray[np.uint8]:
        """A new stack: of a new game, or of the same game where the last step lost a life and no more."""
        if not self._game_goes_on:
            self._start_game()
        self._stack[:-1] = 0
        self._game_goes_on = False
        self._episode_over = False
        return self._stack.copy()

    def step(self, action: Action) -> Step:
        """Repeats action number `action` of the minimal set; the observation is the caller's to keep."""
        assert not self._episode_over, "reset comes first"
        reward, game_over, life_lost = self._repeat(self._actions[int(action)])
        self._stack[:-1] = self._stack[1:]
        self._pool()
        self._game_env_steps += 1
        self._game_return += reward

        terminated = game_over or (life_lost and self._training)
        at_limit = self._game_env_steps == self._config.max_episode_env_steps
        game_ended = game_over or at_limit
        if life_lost and not self._training and not game_ended:
            self._stack[:-1] = 0
        self._game_goes_on = terminated and not game_ended
        self._episode_over = terminated or at_limit
        learned = min(max(reward, -1.0), 1.0) if self._config.clip_rewards else reward
        game_return = self._game_return if game_ended else None
        return Step(self._stack.copy(), learned, terminated, at_limit and not terminated, game_return)

    def render(self) -> NDArray[np.uint8]:
        """The screen in colours, [210, 160, 3] on most games."""
        return self._ale.getScreenRGB()

    def state_dict(self) -> dict[str, Any]:
        """All that the future depends on; another environment of the same config continues from it bit for bit.

        What ALE 0.12 saves lacks the action that may stick, and of the screen its memory, its sprites and whether a
        frame is half drawn (ALE's pull requests 732 and 739). So the state has the game so far: ALE before it, and the
        action of each frame.
        """
        return {
            "before_game": self._before_game.serialize(),
            "asked": None if self._frame_actions is None else bytes(self._frame_actions),
            "generator": self._generator.bit_generator.state,
            "emulator": self._ale.cloneState(include_rng=True).serialize(),
            "screens": np.stack(self._screens),
            "stack": self._stack.copy(),
            "lives": self._lives,
            "game_env_steps": self._game_env_steps,
            "game_return": self._game_return,
            "game_goes_on": self._game_goes_on,
            "episode_over": self._episode_over,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`, after playing the game so far again.

        RuntimeError where that ends in another state of the emulator than was saved: another version of ALE.
        """
        self._replay(state["before_game"], state["asked"])
        if self._ale.cloneState(include_rng=True).serialize() != state["emulator"]:
            raise RuntimeError(f"{self._config.game}: the game so far, played again, did not come to the saved state")
        self._generator.bit_generator.state = state["generator"]
        self._screens = list(state["screens"].copy())
        self._stack[:] = state["stack"]
        self._lives = state["lives"]
        self._game_env_steps = state["game_env_steps"]
        self._game_return = state["game_return"]
        self._game_goes_on = state["game_goes_on"]
        self._episode_over = state["episode_over"]

    def _replay(self, before_game: bytes, frame_actions: bytes | None) -> None:
        self._before_game = ale_py.ALEState(before_game)
        self._ale.restoreState(self._before_game)
        self._frame_actions = None if frame_actions is None else bytearray(frame_actions)
        if frame_actions is not None:
            self._ale.reset_game()
            for action in frame_actions:
                self._ale.act(action)

    def _start_game(self) -> None:
        self._reset_emulator()
        self._game_env_steps = 0
        self._game_return = 0.0
        self._ale.getScreenGrayscale(self._screens[0])
        self._screens[1].fill(0)
        self._pool()
        if self._config.noop_max > 0:
            self._play_noops(int(self._generator.integers(self._config.noop_max, endpoint=True)))

    def _reset_emulator(self) -> None:
        self._before_game = self._ale.cloneState(include_rng=True)
        self._frame_actions = bytearray()
        self._ale.reset_game()
        self._lives = self._ale.lives()

    def _play_noops(self, frames: int) -> None:
        assert self._frame_actions is not None
        for _ in range(frames):
            self._ale.act(ale_py.Action.NOOP)
            self._frame_actions.append(ale_py.Action.NOOP.value)
        if self._ale.game_over():
            self._reset_emulator()

    def _repeat(self, action: ale_py.Action) -> tuple[float, bool, bool]:
        """Raw reward, whether the game is over, whether a life was lost where that matters."""
        assert self._frame_actions is not None
        reward, game_over, life_lost = 0.0, False, False
        first_fetched = self._config.frame_skip - 2
        for frame in range(self._config.frame_skip):
            reward += self._ale.act(action)
            self._frame_actions.append(action.value)
            game_over = self._ale.game_over()
            if self._config.terminal_on_life_loss:
                lives = self._ale.lives()
                life_lost = lives < self._lives
                self._lives = lives
            if game_over or life_lost:
                break
            if frame >= first_fetched:
                self._ale.getScreenGrayscale(self._screens[frame - first_fetched])
        return reward, game_over, life_lost

    def _pool(self) -> None:
        older, newer = self._screens
        np.maximum(older, newer, out=older)
        cv2.resize(older, (SIDE_PIXELS, SIDE_PIXELS), dst=self._stack[-1], interpolation=cv2.INTER_AREA)


def _spec(config: Atari.Config, actions: int) -> EnvSpec:
    frame_shape = (1, SIDE_PIXELS, SIDE_PIXELS)
    return EnvSpec(frame_shape, config.stack, np.uint8, Discrete(actions), config.frame_skip)
