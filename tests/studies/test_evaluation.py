"""What an evaluation plays, how it acts, and what it says of its games."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from redo_lab.plan import CheckedRun
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.seeding import Seeds
from redo_lab.studies.evaluation import Evaluation
from redo_lab.types import Box, Discrete, EnvSpec, Step
from tests.helpers.composing import composed

RETURNS = [1.0, 2.0, 9.0, 4.0, 0.0]
SPEC = EnvSpec((1,), 1, np.float32, Discrete(10), 1)
OBS = np.zeros(1, np.float32)


class Games:
    """Games of the returns above, each of `length` steps, whose actions are kept."""

    def __init__(self, length: int = 3, spec: EnvSpec = SPEC) -> None:
        self.spec, self.length = spec, length
        self.games, self.env_steps = 0, 0
        self.actions: list[Any] = []

    def reset(self) -> np.ndarray:
        self.games, self.env_steps = self.games + 1, 0
        return OBS

    def step(self, action: Any) -> Step:
        self.actions.append(action)
        self.env_steps += 1
        over = self.env_steps == self.length
        return Step(OBS, -1.0, over, False, RETURNS[(self.games - 1) % len(RETURNS)] if over else None)


class Greedy:
    """Always action 7; it has no other way to act."""

    def greedy(self, obs: np.ndarray) -> Any:
        return 7


def played(games: Games, *, epsilon: float = 0.0, **length: int | None) -> tuple[Mapping[str, float], int]:
    """What the phase returns, and how often it stopped in between."""
    config = Evaluation.Config(**{"env_steps": None, "episodes": None, **length}, epsilon=epsilon)
    phase = Evaluation(config).play(Greedy(), games, np.random.default_rng(0))  # type: ignore[arg-type]
    stops = 0
    while True:
        try:
            next(phase)
            stops += 1
        except StopIteration as end:
            return end.value, stops


def test_it_says_the_mean_of_the_raw_returns_of_as_many_games_as_were_asked_for() -> None:
    games = Games()
    metrics, stops = played(games, episodes=4)
    assert metrics == {
        EVALUATION_RETURN: 4.0,
        "evaluation/return_std": float(np.std([1, 2, 9, 4])),
        "evaluation/games": 4.0,
        "evaluation/length_mean": 3.0,
    }
    assert (games.games, stops) == (4, 12)


def test_it_plays_whole_games_until_the_agent_steps_are_reached() -> None:
    for env_steps, expected in ((1, 1), (3, 1), (4, 2), (9, 3)):
        assert played(Games(), env_steps=env_steps)[0]["evaluation/games"] == expected


def test_without_epsilon_every_action_is_the_greedy_one() -> None:
    games = Games()
    played(games, episodes=5)
    assert games.actions == [7] * 15


def test_a_share_epsilon_of_the_actions_is_uniformly_random() -> None:
    games = Games(length=20_000)
    played(games, episodes=1, epsilon=0.25)
    counts = np.bincount(games.actions, minlength=10) / 20_000
    assert counts[7] == pytest.approx(0.75 + 0.025, abs=0.01)
    assert np.delete(counts, 7) == pytest.approx(np.full(9, 0.025), abs=0.005)


def test_random_actions_of_continuous_spaces_lie_within_their_bounds() -> None:
    games = Games(length=500, spec=EnvSpec((1,), 1, np.float32, Box((-2.0, 0.0), (2.0, 5.0)), 1))
    played(games, episodes=1, epsilon=1.0)
    actions = np.stack(games.actions)
    assert actions.dtype == np.float32
    assert actions.min(axis=0) == pytest.approx([-2.0, 0.0], abs=0.1)
    assert actions.max(axis=0) == pytest.approx([2.0, 5.0], abs=0.1)


class NoJournal:
    """Nothing is logged and nothing hangs."""

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}

    def add(self, *_: object) -> None: ...
    def give_up(self, message: str) -> None: ...


def test_each_phase_has_an_evaluation_environment_and_seeds_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["env=minatar/breakout", "scale=smoke", "network.width=0.25", "probe=none"]
    study: Any = CheckedRun.of(composed(*words)[0]).study
    loop = study.start(Seeds(0), torch.device("cpu"), NoJournal())
    built: list[dict[str, Any]] = []
    build = type(study.env).build

    def noting(part: object, **how: Any) -> Any:
        built.append(how)
        return build(part, **how)

    monkeypatch.setattr(type(study.env), "build", noting)
    draws = [loop.evaluation_games(iteration)[1].random() for iteration in (1, 2, 1)]
    assert [how["training"] for how in built] == [False, False, False]
    seeds = [how["seed"] for how in built]
    assert seeds == [Seeds(0).integer(f"evaluation.{iteration}") for iteration in (1, 2, 1)]
    assert seeds[0] != seeds[1]
    assert draws[0] == draws[2] != draws[1]
