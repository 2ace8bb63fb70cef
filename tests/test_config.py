"""The composed config means what the paper says, and every option that conf/ offers is a valid one."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.options import files, groups
from redo_lab.plan import CheckedRun
from scripts.stand_ins import stand_ins
from tests.helpers.composing import composed, planned


def test_the_default_is_the_paper_s_default_setting() -> None:
    plain, choices = composed()
    assert plain["training"] == {
        "iterations": 40,
        "iteration_env_steps": 250_000,
        "replay_ratio": 0.25,
        "log_period_updates": 1000,
    }
    agent = plain["agent"]
    assert (agent["learning_rate"], agent["discount"], agent["n_step"], agent["batch_size"]) == (6.25e-5, 0.99, 1, 32)
    assert agent["optimizer"] == {"epsilon": 1.5e-4}
    assert agent["epsilon"] == {"initial": 1.0, "final": 0.01, "decay_env_steps": 250_000}
    assert (agent["warmup_env_steps"], agent["update_period_env_steps"], agent["loss"]) == (20_000, 4, "huber")
    assert plain["replay"]["capacity"] == 1_000_000
    assert plain["evaluation"] == {
        "_target_": "redo_lab.studies.evaluation.Evaluation",
        "env_steps": 125_000,
        "episodes": None,
        "epsilon": 0.001,
    }
    assert (plain["network"]["padding"], plain["network"]["initialiser"]) == ("same", "xavier_uniform")
    assert (choices["scale"], choices["env"], plain["recyclers"]) == ("paper", "atari/breakout", {})


@pytest.mark.parametrize(
    ("ratio", "target_period", "threshold", "iterations"),
    [("0.25", 8000, 0.025, 40), ("0.5", 4000, 0.1, 10), ("1", 2000, 0.1, 10), ("2", 1000, 0.1, 10)],
)
def test_the_replay_ratio_sets_target_period_threshold_and_length(
    ratio: str, target_period: int, threshold: float, iterations: int
) -> None:
    plain, _ = composed(f"replay_ratio={ratio}", "recycler=redo")
    assert plain["training"]["replay_ratio"] == float(ratio)
    assert plain["agent"]["target_period_env_steps"] == target_period
    assert plain["recyclers"]["redo"]["threshold"] == threshold
    assert plain["training"]["iterations"] == iterations


def test_redo_s_defaults_are_table_1_s() -> None:
    redo = composed("recycler=redo")[0]["recyclers"]["redo"]
    assert (redo["period_updates"], redo["batch_size"]) == (1000, 64)
    assert (redo["incoming"], redo["outgoing"], redo["reset_moments"], redo["step_count"]) == (
        "init",
        "zero",
        True,
        "keep",
    )


def test_laptop_is_a_tenth_of_everything_that_scales() -> None:
    paper, laptop = composed("recycler=redo")[0], composed("recycler=redo", "scale=laptop")[0]
    pairs = [
        (paper["training"]["iteration_env_steps"], laptop["training"]["iteration_env_steps"]),
        (paper["agent"]["warmup_env_steps"], laptop["agent"]["warmup_env_steps"]),
        (paper["agent"]["epsilon"]["decay_env_steps"], laptop["agent"]["epsilon"]["decay_env_steps"]),
        (paper["agent"]["target_period_env_steps"], laptop["agent"]["target_period_env_steps"]),
        (paper["replay"]["capacity"], laptop["replay"]["capacity"]),
        (paper["evaluation"]["env_steps"], laptop["evaluation"]["env_steps"]),
        (paper["recyclers"]["redo"]["period_updates"], laptop["recyclers"]["redo"]["period_updates"]),
        (paper["probes"]["dormancy"]["period_updates"], laptop["probes"]["dormancy"]["period_updates"]),
    ]
    assert all(full == 10 * tenth for full, tenth in pairs)
    assert paper["env"]["max_episode_env_steps"] == laptop["env"]["max_episode_env_steps"] == 27_000


def test_what_is_typed_wins_over_what_an_environment_brings() -> None:
    plain, choices = composed("env=minatar/breakout", "network=mlp", "agent.learning_rate=0.5")
    assert (choices["network"], plain["agent"]["learning_rate"]) == ("mlp", 0.5)
    assert composed("env=minatar/breakout")[1]["network"] == "minatar"


A_GAME = {
    "atari": "Pong",
    "atari_100k": "Pong",
    "minatar": "freeway",
    "classic": "CartPole",
    "mujoco": "HalfCheetah",
}
GOES_WITH = {
    "network=mlp": "env=classic/cartpole",
    "network=minatar": "env=minatar/breakout",
    "network=cifar": "study=supervised",
    **dict.fromkeys(("data=digits", "data=cifar10", "targets=fixed", "targets=shuffled"), "study=supervised"),
    **dict.fromkeys(
        ("data=dqn_replay", *(f"targets={kind}" for kind in ("moving", "random", "frozen"))), "study=offline"
    ),
    **{f"student={option}": "study=distill" for option in files("student")},
    "agent=sac": "env=mujoco/hopper",
    "agent=sac_upstream": "env=mujoco/hopper",
}
EVERY_OPTION = [(group, option) for group in groups() for option in files(group)]


@pytest.mark.parametrize(("group", "option"), EVERY_OPTION)
def test_every_option_composes_and_passes_every_check(group: str, option: str, tmp_path: Path) -> None:
    word = f"{group}={option}"
    overrides = [GOES_WITH[word], word] if word in GOES_WITH else [word]
    if "study=distill" in overrides:
        stand_ins(tmp_path)
        overrides.append(f"root={tmp_path}")
    if group == "env" and "/" not in option:
        overrides.append(f"env.game={A_GAME[option]}")
    assert CheckedRun.of(composed(*overrides)[0]).study.total >= 1


def test_the_run_id_is_a_function_of_what_changes_results() -> None:
    base = planned("env=minatar/breakout", "scale=smoke")
    same = planned(
        "env=minatar/breakout",
        "scale=smoke",
        "root=elsewhere",
        "logger=none",
        "threads=2",
        "progress.line_seconds=5",
        "probe=[rank,dormancy]",
        "probes.dormancy.batch_size=32",
    )
    assert base.run["run_id"] == same.run["run_id"]
    assert str(same.directory).startswith("elsewhere/")
    for change in ("seed=1", "recycler=redo", "agent.learning_rate=0.1", "env.sticky_action_probability=0"):
        assert planned("env=minatar/breakout", "scale=smoke", change).run["run_id"] != base.run["run_id"]


def test_the_run_id_can_be_read() -> None:
    plan = planned("env=atari", "env.game=DemonAttack", "scale=smoke", "replay_ratio=1", "recycler=redo", "seed=3")
    assert plan.run["run_id"].startswith("dqn-demon_attack-rr1-redo-s3-")
    assert plan.run["axes"] == {
        "agent": "dqn",
        "network": "nature",
        "suite": "atari",
        "game": "demon_attack",
        "replay_ratio": 1,
        "recycler": "redo",
        "regulariser": "none",
        "scale": "smoke",
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("key", "value", "scale", "expected"),
    [
        ("period_updates", "${scaled:1000}", "paper", 1000),
        ("period_updates", "${scaled:1000}", "laptop", 100),
        ("period_updates", "${scaled:1000}", "smoke", 20),
        ("period_updates", "${scaled:100_000}", "smoke", 60),
        ("period_updates", "${scaled:3}", "smoke", 1),
        ("period_env_steps", "${scaled:100}", "smoke", 100),
        ("warmup_env_steps", "${scaled:10_000}", "smoke", 160),
        ("horizon", "${scaled:100_000,env_steps}", "smoke", 200),
        ("horizon", "${scaled:1000}", "smoke", 20),
        ("env_steps", "${capped:27_000}", "laptop", 27_000),
        ("env_steps", "${capped:27_000}", "smoke", 200),
        ("env_stepss", "${capped:27_000}", "smoke", 27_000),
    ],
)
def test_a_number_follows_the_scale_by_what_its_name_counts(key: str, value: str, scale: str, expected: int) -> None:
    plain, _ = composed(f"scale={scale}", f"+probes.mine={{{key}: '{value}'}}")
    assert plain["probes"]["mine"][key] == expected


@pytest.mark.parametrize(("ratio", "at_laptop", "at_paper"), [("0.25", 400, 4000), ("1", 100, 1000), ("2", 50, 500)])
def test_minatars_target_period_is_as_many_updates_at_every_replay_ratio(
    ratio: str, at_laptop: int, at_paper: int
) -> None:
    """As in Table 2: a study of replay ratios doesn't change how many updates a target network lasts."""
    for scale, expected in (("laptop", at_laptop), ("paper", at_paper)):
        plain, _ = composed("env=minatar/breakout", f"replay_ratio={ratio}", f"scale={scale}")
        assert plain["agent"]["target_period_env_steps"] == expected
