"""Which settings change what a run is, and which do not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from redo_lab.runs.identity import changes, digest
from redo_lab.studies.blueprint import Blueprint
from redo_lab.studies.distill import Distill
from redo_lab.studies.offline import Offline
from redo_lab.studies.online import Online
from redo_lab.studies.supervised import Supervised
from tests.helpers.composing import composed

NO_METHOD = {"recycler": "none", "regulariser": "none"}
WORDS = ("env=minatar/breakout", "scale=smoke")


@pytest.mark.parametrize(
    "word",
    [
        "env.timeout_seconds=30",
        "root=elsewhere",
        "probe=none",
        "logger=none",
        "threads=3",
        "agent.compile=default",
        "replay.device=auto",
    ],
)
def test_what_changes_no_result_changes_no_identity(word: str) -> None:
    assert digest(composed(*WORDS, word)[0]) == digest(composed(*WORDS)[0])


@pytest.mark.parametrize(
    "word",
    [
        "replay.capacity=777",
        "env.sticky_action_probability=0.2",
        "seed=1",
        "agent.learning_rate=1",
        "agent.precision=bf16",
        "agent.act_ahead=true",
        "recycler=redo",
    ],
)
def test_what_changes_results_changes_the_identity(word: str) -> None:
    assert digest(composed(*WORDS, word)[0]) != digest(composed(*WORDS)[0])


def test_later_choices_leave_earlier_runs_as_they_were() -> None:
    plain = composed(*WORDS)[0]
    agent = {key: value for key, value in plain["agent"].items() if key not in ("precision", "compile", "act_ahead")}
    assert digest({**plain, "agent": agent}) == digest(plain)
    assert digest({**plain, "agent": {**agent, "n_step": None}}) != digest({**plain, "agent": agent})


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["agent.learning_rate=0.5", "seed=3", "root=x", "probe=none"], {"agent.learning_rate": 0.5}),
        (["recycler=redo", "recyclers.redo.threshold=0.2", "replay_ratio='1'"], {"recyclers.redo.threshold": 0.2}),
        (["+network.activation=tanh", "evaluation=none"], {"network.activation": "tanh", "evaluation": "none"}),
        (["network=nature", "hydra/launcher=slurm", "shared.absent=3"], {}),
    ],
)
def test_what_was_typed_beside_the_axes_names_a_run(words: list[str], named: dict[str, object]) -> None:
    plain = {"agent": {"learning_rate": 0.5}, "recyclers": {"redo": {"threshold": 0.2}},
             "network": {"activation": "tanh"}, "seed": 3, "shared": {}}  # fmt: skip
    choices = {"recycler": "redo", "evaluation": "none", "network": "nature", "env": "minatar/breakout"}
    axes = {"network": "nature", "suite": "minatar", "game": "breakout", "replay_ratio": 1, "recycler": "redo"}
    assert changes(plain, choices, axes, ["env=minatar/breakout", *words]) == named


@pytest.mark.parametrize("study", [Online, Offline, Supervised, Distill])
def test_a_run_is_named_by_its_recycler_and_then_once_by_its_regulariser(study: type[Blueprint]) -> None:
    axes = {
        "agent": "dqn",
        "data": "digits",
        "game": "pong",
        "replay_ratio": 1,
        "targets": "fixed",
        "student": "random",
    }
    for recycler, regulariser, words in (
        ("none", "none", ["none"]),
        ("redo", "none", ["redo"]),
        ("none", "weight_decay", ["none", "weight_decay"]),
        ("redo+reset", "weight_decay+l2_init", ["redo+reset", "weight_decay+l2_init"]),
    ):
        named = study.label(SimpleNamespace(), {**axes, "recycler": recycler, "regulariser": regulariser})
        assert named[-len(words) :] == words
        assert len(named) == len(set(named))
        assert named[: -len(words)] == study.label(SimpleNamespace(), {**axes, **NO_METHOD})[:-1]
