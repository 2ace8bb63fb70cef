"""Numbers of the paper and of the authors' code, typed from them, against what the shipped YAML resolves to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.composing import composed

ATARI = {"frame_skip": 4, "stack": 4, "max_episode_env_steps": 27_000, "clip_rewards": True}
SCHEDULED = {"rate": 0.1, "period_updates": 1000, "batch_size": 64, "incoming": "init", "outgoing": "zero"}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ("atari/pong", ATARI | {"sticky_action_probability": 0.25, "terminal_on_life_loss": False, "noop_max": 0}),
        ("atari_100k/pong", ATARI | {"sticky_action_probability": 0.0, "terminal_on_life_loss": True, "noop_max": 29}),
        ("minatar/breakout", {"sticky_action_probability": 0.1, "clip_rewards": False, "max_episode_env_steps": 5000}),
        ("mujoco/hopper", {"game": "Hopper", "version": "v5", "max_episode_env_steps": 1000}),
    ],
)
def test_environments_are_as_in_the_authors_code(env: str, expected: dict[str, Any]) -> None:
    node = composed(f"env={env}")[0]["env"]
    assert {key: node[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("recycler", "expected"),
    [
        ("redo", {"threshold": 0.025, "period_updates": 1000, "batch_size": 64}),
        ("prune", {"threshold": 0.0, "period_updates": 1000, "batch_size": 64}),
        ("reset", {"layers": "last", "period_updates": 100_000, "period_env_steps": None, "targets": False}),
        ("reset_all", {"layers": "all", "period_updates": None, "period_env_steps": 200_000, "targets": True}),
        ("random", SCHEDULED | {"selection": "random"}),
        ("inverse", SCHEDULED | {"selection": "highest_score"}),
        ("redo_scheduled", SCHEDULED | {"selection": "lowest_score"}),
        ("cbp_utility", SCHEDULED | {"selection": "lowest_utility"}),
        ("continual_backprop", {"replacement_rate": 1e-4, "decay": 0.99, "maturity_updates": 10_000}),
    ],
)
def test_interventions_are_as_in_the_paper(recycler: str, expected: dict[str, Any]) -> None:
    node = composed(f"recycler={recycler}")[0]["recyclers"][recycler]
    assert {key: node[key] for key in expected} == expected
    assert node.get("reset_moments", True) is True
    assert node.get("step_count", "keep") == "keep"


@pytest.mark.parametrize(
    ("words", "epsilon", "length"),
    [
        ([], 0.001, {"env_steps": 125_000, "episodes": None}),
        (["env=atari_100k/pong", "agent=drq_eps"], 0.001, {"env_steps": None, "episodes": 100}),
        (["env=mujoco/hopper"], 0.0, {"env_steps": None, "episodes": 30}),
    ],
)
def test_evaluations_are_as_in_the_authors_code(words: list[str], epsilon: float, length: dict[str, Any]) -> None:
    node = composed(*words)[0]["evaluation"]
    assert {key: node[key] for key in ("epsilon", *length)} == {"epsilon": epsilon, **length}
