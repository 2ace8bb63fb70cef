"""The whole default configs against a table typed from the paper and the authors' code; no number comes from conf/."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents.test_config import DQN, DRQ, SAC
from tests.helpers.composing import composed

METHODS = "recycler=[redo,reset,reset_all,prune,random,inverse,redo_scheduled,cbp_utility,continual_backprop]"
PROBES = "probe=[dormancy,overlap,norms,churn,values,rank,score_batches]"
SURGERY = {"incoming": "init", "outgoing": "zero", "reset_moments": True, "step_count": "keep"}
RESETS = {"_target_": "redo_lab.recyclers.reset.Reset", "reset_moments": True, "step_count": "keep"}
ATARI = {
    "_target_": "redo_lab.envs.atari.Atari",
    "suite": "atari",
    "game": "Breakout",
    "frame_skip": 4,
    "stack": 4,
    "sticky_action_probability": 0.25,
    "terminal_on_life_loss": False,
    "max_episode_env_steps": 27_000,
    "clip_rewards": True,
    "noop_max": 0,
    "timeout_seconds": None,
}
ATARI_100K = ATARI | {
    "suite": "atari_100k",
    "sticky_action_probability": 0.0,
    "terminal_on_life_loss": True,
    "noop_max": 29,
}
ANT = {
    "_target_": "redo_lab.envs.gymnasium_env.GymnasiumEnv",
    "suite": "mujoco",
    "game": "Ant",
    "version": "v5",
    "max_episode_env_steps": 1000,
    "timeout_seconds": None,
}
NATURE = {
    "_target_": "redo_lab.networks.nature.Nature",
    "width": 1.0,
    "padding": "same",
    "norm": "none",
    "activation": "relu",
    "initialiser": "xavier_uniform",
}
MLP = {
    "_target_": "redo_lab.networks.mlp.MLP",
    "hidden": [256, 256],
    "width": 1.0,
    "norm": "none",
    "activation": "relu",
    "initialiser": "xavier_uniform",
}


def training(iterations: int, iteration_env_steps: int, replay_ratio: float) -> dict[str, Any]:
    return {
        "iterations": iterations,
        "iteration_env_steps": iteration_env_steps,
        "replay_ratio": replay_ratio,
        "log_period_updates": 1000,
    }


def evaluation(env_steps: int | None, episodes: int | None, epsilon: float) -> dict[str, Any]:
    cls = "redo_lab.studies.evaluation.Evaluation"
    return {"_target_": cls, "env_steps": env_steps, "episodes": episodes, "epsilon": epsilon}


def recyclers(threshold: float, period: int, batch: int, planned_updates: int) -> dict[str, Any]:
    scheduled = {
        "_target_": "redo_lab.recyclers.scheduled.ScheduledRecycling",
        "rate": 0.1,
        "end_updates": planned_updates,
        "period_updates": period,
        "batch_size": batch,
        **SURGERY,
    }
    return {
        "redo": {
            "_target_": "redo_lab.recyclers.redo.ReDo",
            "threshold": threshold,
            "period_updates": period,
            "batch_size": batch,
            **SURGERY,
        },
        "reset": RESETS | {"layers": "last", "period_updates": 100_000, "period_env_steps": None, "targets": False},
        "reset_all": RESETS | {"layers": "all", "period_updates": None, "period_env_steps": 200_000, "targets": True},
        "prune": {
            "_target_": "redo_lab.recyclers.prune.Prune",
            "threshold": 0.0,
            "period_updates": period,
            "batch_size": batch,
        },
        "random": scheduled | {"selection": "random"},
        "inverse": scheduled | {"selection": "highest_score"},
        "redo_scheduled": scheduled | {"selection": "lowest_score"},
        "cbp_utility": scheduled | {"selection": "lowest_utility"},
        "continual_backprop": {
            "_target_": "redo_lab.recyclers.continual_backprop.ContinualBackprop",
            "utility": "contribution",
            "replacement_rate": 1e-4,
            "decay": 0.99,
            "maturity_updates": 10_000,
            "batch_size": 32,
            "reset_moments": True,
            "step_count": "keep",
        },
    }


def probes(batch: int) -> dict[str, Any]:
    every = {"period_updates": 1000}
    return {
        "dormancy": {
            "_target_": "redo_lab.probes.dormancy.Dormancy",
            "thresholds": [0.0, 0.025, 0.1],
            "batch_size": batch,
            **every,
        },
        "overlap": {
            "_target_": "redo_lab.probes.overlap.Overlap",
            "thresholds": [0.0],
            "batch_size": batch,
            **every,
        },
        "norms": {"_target_": "redo_lab.probes.norms.Norms", "batch_size": 64, **every},
        "churn": {"_target_": "redo_lab.probes.churn.Churn", "batch_size": 128, **every},
        "values": {"_target_": "redo_lab.probes.values.Values", "batch_size": 64, **every},
        "rank": {
            "_target_": "redo_lab.probes.rank.Rank",
            "delta": 0.01,
            "samples": 2048,
            "period_updates": 10_000,
            "batch_size": 256,
        },
        "score_batches": {
            "_target_": "redo_lab.probes.score_batches.ScoreBatches",
            "batch_sizes": [32, 64, 256, 1024],
            "threshold": 0.1,
            **every,
        },
    }


def replay(n_step: int) -> dict[str, Any]:
    cls = "redo_lab.replay.ring.Replay"
    return {"_target_": cls, "capacity": 1_000_000, "n_step": n_step, "discount": 0.99, "device": "cpu"}


DQN_025 = {
    "training": training(40, 250_000, 0.25),
    "env": ATARI,
    "network": NATURE,
    "agent": DQN | {"target_period_env_steps": 8000},
    "replay": replay(1),
    "evaluation": evaluation(125_000, None, 0.001),
    "recyclers": recyclers(0.025, 1000, 64, (10_000_000 - 20_000) // 4),
    "probes": probes(64),
}
DQN_1 = DQN_025 | {
    "training": training(10, 250_000, 1),
    "agent": DQN | {"target_period_env_steps": 2000},
    "recyclers": recyclers(0.1, 1000, 64, 2_500_000 - 20_000),
}
DRQ_1 = DQN_025 | {
    "training": training(40, 10_000, 1),
    "env": ATARI_100K,
    "agent": DRQ,
    "replay": replay(10),
    "evaluation": evaluation(None, 100, 0.001),
    "recyclers": recyclers(0.1, 1000, 64, 400_000 - 1600),
}
SAC_1 = {
    "training": training(100, 10_000, 1),
    "env": ANT,
    "network": MLP,
    "agent": SAC,
    "replay": replay(1),
    "evaluation": evaluation(None, 30, 0.0),
    "recyclers": recyclers(0.0, 200_000, 256, 1_000_000 - 10_000),
    "probes": probes(256),
}
DRQ_025 = DRQ_1 | {
    "training": training(40, 10_000, 0.25),
    "recyclers": recyclers(0.025, 1000, 64, (400_000 - 1600) // 4),
}
SAC_025 = SAC_1 | {
    "training": training(100, 10_000, 0.25),
    "recyclers": recyclers(0.0, 200_000, 256, (1_000_000 - 10_000) // 4),
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", DQN_025),
        ("replay_ratio=1", DQN_1),
        ("agent=drq_eps env=atari_100k/breakout", DRQ_1),
        ("agent=drq_eps env=atari_100k/breakout replay_ratio=0.25", DRQ_025),
        ("env=mujoco/ant", SAC_1),
        ("agent=sac env=mujoco/ant replay_ratio=0.25", SAC_025),
    ],
)
def test_the_whole_config_is_the_table(words: str, expected: dict[str, Any]) -> None:
    plain, _ = composed(*words.split(), METHODS, PROBES)
    for node, settings in expected.items():
        assert plain[node] == settings


def test_weight_decay_is_the_papers() -> None:
    assert composed("regulariser=weight_decay")[0]["regularisers"]["weight_decay"] == {
        "_target_": "redo_lab.regularisers.weight_decay.WeightDecay",
        "coefficient": 1e-5,
        "actor_factor": 2.0,
    }


def test_what_is_typed_wins_over_what_a_replay_ratio_or_an_agent_sets() -> None:
    words = ["agent=sac", "env=mujoco/ant", "recycler=redo", "recyclers.redo.period_updates=5"]
    assert composed(*words)[0]["recyclers"]["redo"]["period_updates"] == 5
    words = ["recycler=[redo,prune]", "shared.recycle_period_updates=7", "agent.target_period_env_steps=9"]
    plain = composed(*words, "replay_ratio=1")[0]
    assert (plain["recyclers"]["redo"]["period_updates"], plain["recyclers"]["prune"]["period_updates"]) == (7, 7)
    assert plain["agent"]["target_period_env_steps"] == 9


def test_minatar_is_as_its_library_and_young_and_tian_have_it() -> None:
    node = composed("env=minatar/breakout")[0]["env"]
    assert (node["sticky_action_probability"], node["clip_rewards"]) == (0.1, False)
