"""The evaluation phase after each iteration: whole games with an almost greedy policy, raw returns."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from redo_lab.config import require
from redo_lab.experience import Env, Footage, Rendered
from redo_lab.protocols import Agent
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.types import Action, Discrete


class Evaluation:
    """Plays whole games until `env_steps` agent steps or `episodes` games are reached, as Dopamine does."""

    @dataclass
    class Config:
        """One of `env_steps` and `episodes` is given, the other null. `epsilon` is of the evaluation policy."""

        env_steps: int | None
        episodes: int | None
        epsilon: float

        def __post_init__(self) -> None:
            given = [n for n in (self.env_steps, self.episodes) if n is not None]
            require(len(given) == 1, "give one of env_steps and episodes, and null for the other")
            require(given[0] >= 1, f"env_steps or episodes must be ≥ 1, got {given[0]}")
            require(0 <= self.epsilon <= 1, f"epsilon must lie in [0, 1], got {self.epsilon}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def play(self, agent: Agent, env: Env, generator: np.random.Generator) -> Generator[None, None, dict[str, float]]:
        """One phase, yielding after each agent step; returns mean raw return, games and steps. The agent stays."""
        games: list[tuple[float, int]] = []
        while not self._enough(games):
            games.append((yield from self.game(agent, env, generator)))
        returns, lengths = zip(*games, strict=True)
        return {
            EVALUATION_RETURN: float(np.mean(returns)),
            "evaluation/return_std": float(np.std(returns)),
            "evaluation/games": float(len(games)),
            "evaluation/length_mean": float(np.mean(lengths)),
        }

    def _enough(self, games: list[tuple[float, int]]) -> bool:
        if self.config.episodes is not None:
            return len(games) >= self.config.episodes
        assert self.config.env_steps is not None
        return sum(length for _, length in games) >= self.config.env_steps

    def game(self, agent: Agent, env: Env, generator: np.random.Generator) -> Generator[None, None, tuple[float, int]]:
        """The game's return and length. Where a lost life ends an episode, the game goes on after `reset`."""
        obs, length = env.reset(), 0
        for explored in _explored(env, generator, self.config.epsilon):
            step = env.step(agent.greedy(obs) if explored is None else explored)
            obs, length = step.obs, length + 1
            yield
            if step.game_return is not None:
                return step.game_return, length
        raise AssertionError("actions never end")


def _explored(env: Env, generator: np.random.Generator, epsilon: float) -> Iterator[Action | None]:
    """For each step a random action with probability epsilon, else None."""
    actions = env.spec.actions
    while True:
        if generator.random() >= epsilon:
            yield None
        elif isinstance(actions, Discrete):
            yield int(generator.integers(actions.n))
        else:
            yield generator.uniform(actions.low, actions.high).astype(np.float32)


class Film(Footage):
    """A game as its frames, uint8 [H, W, 3], one after each agent step; when they have been drawn, its outcome.

    frames_per_second: at real speed; game_return: raw; None before the game has ended.
    """

    def __init__(self, env: Rendered, game: Generator[None, None, tuple[float, int]]) -> None:
        self.frames_per_second = env.frames_per_second
        self.game_return: float | None = None
        self._env = env
        self._game = game

    def frames(self, most: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """All of them, or the first `most`: then the game is played to its end, but not drawn."""
        drawn = 0
        while True:
            try:
                next(self._game)
            except StopIteration as end:
                self.game_return, _ = end.value
                return
            if most is None or drawn < most:
                drawn += 1
                yield self._env.render()
