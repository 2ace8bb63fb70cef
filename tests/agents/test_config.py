"""The shipped agents say what Tables 1 to 4 say, alone and with the environments they are for."""

from __future__ import annotations

from typing import Any

import pytest

from redo_lab.config import ConfigError
from tests.helpers.composing import composed, planned

ADAM = {"epsilon": 1.5e-4}
DQN = {
    "_target_": "redo_lab.agents.value.ValueAgent",
    "learning_rate": 6.25e-5,
    "learning_rate_scale": 1.0,
    "discount": 0.99,
    "n_step": 1,
    "batch_size": 32,
    "loss": "huber",
    "double": False,
    "dueling": False,
    "augmentation": "none",
    "warmup_env_steps": 20_000,
    "update_period_env_steps": 4,
    "target_period_env_steps": 8000,
    "epsilon": {"initial": 1.0, "final": 0.01, "decay_env_steps": 250_000},
    "optimizer": ADAM,
    "compile": "off",
    "precision": "fp32",
    "act_ahead": False,
}
DRQ = DQN | {
    "learning_rate": 1e-4,
    "n_step": 10,
    "double": True,
    "dueling": True,
    "augmentation": "drq",
    "warmup_env_steps": 1600,
    "update_period_env_steps": 1,
    "target_period_env_steps": 1,
    "epsilon": {"initial": 1.0, "final": 0.01, "decay_env_steps": 5000},
}
SAC = {
    "_target_": "redo_lab.agents.sac.SAC",
    "learning_rate": 3e-4,
    "learning_rate_scale": 1.0,
    "discount": 0.99,
    "n_step": 1,
    "batch_size": 256,
    "warmup_env_steps": 10_000,
    "update_period_env_steps": 1,
    "target_smoothing": 0.005,
    "entropy_target_per_dim": -1.0,
    "initial_temperature": 1.0,
    "reward_scale": 1.0,
    "log_std_min": -20.0,
    "log_std_max": 2.0,
    "optimizer": {"epsilon": 1e-8},
    "compile": "off",
    "precision": "fp32",
    "act_ahead": False,
}
UPSTREAM = SAC | {
    "entropy_target_per_dim": -0.5,
    "reward_scale": 0.1,
    "optimizer": {"epsilon": 1e-7},
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["agent=dqn"], DQN),
        (["agent=dqn_nstep3"], DQN | {"n_step": 3}),
        (["agent=dqn_nstep3", "replay_ratio=1"], DQN | {"n_step": 3, "target_period_env_steps": 2000}),
        (["agent=drq_eps", "env=atari_100k/pong"], DRQ),
        (["agent=drq_eps", "env=atari_100k/pong", "replay_ratio=8"], DRQ),
        (["env=mujoco/ant"], SAC),
        (["agent=sac", "env=mujoco/ant", "replay_ratio=4"], SAC),
        (["agent=sac_upstream", "env=mujoco/ant"], UPSTREAM),
    ],
)
def test_the_settings_are_those_of_the_tables(words: list[str], expected: dict[str, Any]) -> None:
    assert composed(*words)[0]["agent"] == expected


def test_dqn_n_step_3_reaches_the_replay() -> None:
    assert composed("agent=dqn_nstep3")[0]["replay"]["n_step"] == 3


def test_drq_trains_40_iterations_of_10_000_steps_and_plays_100_games_after_each() -> None:
    config, _ = composed("agent=drq_eps", "env=atari_100k/pong")
    training = {"iterations": 40, "iteration_env_steps": 10_000, "replay_ratio": 1, "log_period_updates": 1000}
    assert config["training"] == training
    assert config["evaluation"] == {
        "_target_": "redo_lab.studies.evaluation.Evaluation",
        "env_steps": None,
        "episodes": 100,
        "epsilon": 0.001,
    }
    assert config["replay"]["capacity"] == 1_000_000
    assert config["shared"]["dormancy_threshold"] == 0.1
    assert config["env"]["terminal_on_life_loss"]
    assert config["env"]["sticky_action_probability"] == 0


def test_sac_trains_a_million_steps_and_plays_30_greedy_games_every_10_000() -> None:
    config, choices = composed("env=mujoco/ant", "recycler=redo")
    assert choices["network"] == "mlp"
    assert config["training"]["iterations"] * config["training"]["iteration_env_steps"] == 10**6
    assert (config["training"]["iteration_env_steps"], config["training"]["replay_ratio"]) == (10_000, 1)
    assert (config["evaluation"]["episodes"], config["evaluation"]["epsilon"]) == (30, 0.0)
    redo = config["recyclers"]["redo"]
    assert (redo["threshold"], redo["period_updates"], redo["batch_size"]) == (0.0, 200_000, 256)
    assert config["probes"]["dormancy"]["batch_size"] == 256


def test_the_score_batch_is_64_elsewhere() -> None:
    for agent in ("dqn", "drq_eps"):
        config, _ = composed(f"agent={agent}", "recycler=redo")
        assert config["recyclers"]["redo"]["batch_size"] == 64
        assert config["probes"]["dormancy"]["batch_size"] == 64


def test_the_number_of_games_scales_down() -> None:
    assert composed("agent=drq_eps", "scale=laptop")[0]["evaluation"]["episodes"] == 10
    assert composed("env=mujoco/ant", "scale=laptop")[0]["evaluation"]["episodes"] == 3
    assert composed("env=mujoco/ant", "scale=smoke")[0]["evaluation"]["episodes"] <= 3


def test_what_a_user_asks_for_wins_over_an_agents_choices() -> None:
    config, _ = composed("agent=drq_eps", "evaluation=steps", "replay_ratio=0.5")
    assert config["evaluation"]["episodes"] is None
    assert config["training"]["replay_ratio"] == 0.5


def test_an_agent_is_refused_on_actions_it_cannot_take() -> None:
    with pytest.raises(ConfigError, match="SAC needs continuous actions"):
        planned("agent=sac", "env=atari/pong", "scale=smoke")
    with pytest.raises(ConfigError, match="needs discrete actions"):
        planned("agent=dqn", "env=mujoco/ant", "scale=smoke")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("agent.n_step=0", "n_step must be ≥ 1"),
        ("agent.learning_rate=0", "learning_rate must be > 0"),
        ("agent.learning_rate_scale=-1", "learning_rate_scale must be > 0"),
        ("agent.epsilon.final=2", "0 ≤ final ≤ initial ≤ 1"),
        ("agent.loss=hubber", "loss"),
        ("agent.augmentation=crop", "augmentation"),
        ("+agent.duelling=true", "did you mean 'dueling'"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        planned("scale=smoke", word)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("agent.target_smoothing=0", "target_smoothing"),
        ("agent.log_std_min=3", "log_std_min must be < log_std_max"),
        ("agent.reward_scale=0", "reward_scale must be > 0"),
    ],
)
def test_a_wrong_setting_of_sac_is_refused_by_name(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        planned("env=mujoco/ant", "scale=smoke", word)
