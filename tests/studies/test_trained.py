"""What a finished run of a DQN hands on to other studies, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from redo_lab import load_agent
from redo_lab.commands.train import main
from redo_lab.config import ConfigError, InputError
from redo_lab.plan import CheckedRun
from redo_lab.seeding import Seeds
from redo_lab.studies.loop import Loop
from redo_lab.studies.trained import TrainedRun, find_run, run_id, setting
from tests.helpers.composing import composed
from tests.helpers.journals import Noted
from tests.helpers.teachers import SMALL, TEACHER, changed, teacher

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return teacher(tmp_path_factory.mktemp("runs"), "seed=2")


def refusal(directory: Path) -> str:
    with pytest.raises(InputError) as refused:
        TrainedRun.of(str(directory), "teacher")
    message = str(refused.value)
    assert message.startswith(f"teacher.folder={directory} ")
    return message


def test_its_network_is_the_last_one(directory: Path) -> None:
    network = TrainedRun.of(str(directory), "teacher").q_network(CPU).state_dict()
    last = load_agent(directory).agent.networks()[0].online.state_dict()
    assert all(torch.equal(network[name], last[name]) for name in last)


def test_its_replay_is_the_one_that_training_ended_with(directory: Path) -> None:
    replay = TrainedRun.of(str(directory), "teacher").replay(CPU)
    study = CheckedRun.of(composed(*TEACHER, "seed=2")[0]).study.start(Seeds(2), CPU, Noted())
    for _ in study.steps():
        pass
    assert isinstance(study, Loop)
    assert replay.state_dict() == study.replay.state_dict()
    assert replay.added >= 200
    for name in ("frames", "actions", "rewards", "ends", "history"):
        assert np.array_equal(getattr(replay, name), getattr(study.replay, name)), name
    assert replay.frames.any()


def test_its_words_name_it_without_its_seed(directory: Path) -> None:
    run = TrainedRun.of(str(directory), "teacher")
    assert run.words == "dqn-breakout-rr0.25-none"
    assert run_id(str(directory), "teacher") == run.about.run_id == directory.name


def test_its_settings_can_be_asked_for(directory: Path) -> None:
    assert setting(str(directory), "teacher", "agent.optimizer.epsilon") == 3.125e-4
    with pytest.raises(InputError, match=r"must be a run of a value-based agent .*, and has no agent\.temperature"):
        setting(str(directory), "teacher", "agent.temperature")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "is no directory of a run: there is no run.json in it" in refusal(tmp_path / "nowhere")
    (tmp_path / "run.json").write_text("[]")
    assert "is no run that can be read" in refusal(tmp_path)


def test_a_run_that_is_not_finished_is_refused(directory: Path, tmp_path: Path) -> None:
    running = changed(directory, tmp_path / "running", "status.json", '"finished"', '"preempted"')
    assert "must be a finished run, and is preempted at 200 of 200 agent steps" in refusal(running)
    (running / "status.json").unlink()
    assert "must be a finished run, and has not begun" in refusal(running)


def test_a_run_of_another_kind_is_refused(directory: Path, tmp_path: Path) -> None:
    words = [
        "study=supervised",
        "scale=smoke",
        "network.width=0.1",
        "data.samples=20",
        "learner.batch_size=4",
        "probe=none",
        "logger=none",
    ]
    assert main([*words, f"root={tmp_path / 'runs'}"]) == 0
    (file,) = (tmp_path / "runs").rglob("run.json")
    assert "must be a run of a value-based agent (agent=dqn …), and is one of Supervised" in refusal(file.parent)


def test_an_agent_without_action_values_is_refused(directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "sac"
    changed(directory, other, "run.json", "breakout", "HalfCheetah")
    (other / "config.yaml").write_text(
        json.dumps(composed("agent=sac", "env=mujoco", "env.game=HalfCheetah", "scale=smoke")[0])
    )
    assert "and is one of SAC" in refusal(other)


def test_a_config_of_another_version_or_of_a_package_that_nobody_named_is_refused(
    directory: Path, tmp_path: Path
) -> None:
    old = changed(directory, tmp_path / "old", "config.yaml", "n_step: 1", "n_steps: 1")
    assert "can't be read by this redo_lab: unknown key 'agent.n_steps'" in refusal(old)
    target = "redo_lab.agents.value.ValueAgent"
    strange = changed(directory, tmp_path / "strange", "config.yaml", target, "not_installed.Agent")
    assert "not_installed.Agent is of no package that you have named" in refusal(strange)


def test_a_run_without_the_checkpoint_of_its_end_or_without_a_replay_in_it_is_refused(
    directory: Path, tmp_path: Path
) -> None:
    manifest = next((directory / "checkpoint").glob("200.json"))
    segments = json.dumps(json.loads(manifest.read_text())["segments"])
    assert len(segments) > 2
    damaged = changed(directory, tmp_path / "damaged", "checkpoint/200.json", '"segments"', '"nothing"')
    assert "has no whole checkpoint of its end" in refusal(damaged)
    (damaged / "checkpoint" / "200.json").unlink()
    assert "has no whole checkpoint of its end" in refusal(damaged)
    bare = teacher(tmp_path / "runs", "checkpoint.final_replay=false")
    with pytest.raises(InputError, match=r"has no replay in the checkpoint of its end: train it with"):
        TrainedRun.of(str(bare), "teacher").require_replay()


def test_a_replay_that_is_to_stay_must_be_saved() -> None:
    with pytest.raises(ConfigError, match=r"final_replay=true needs checkpoint\.replay=true"):
        CheckedRun.of(composed(*SMALL, "checkpoint.final_replay=true", "checkpoint.replay=false")[0])


def test_a_run_is_found_by_its_replay_ratio_its_seed_and_its_scale(directory: Path, tmp_path: Path) -> None:
    scale = composed("scale=smoke")[0]["scale"]
    experiment = str(directory.parent)
    assert find_run(experiment, "teacher", replay_ratio=0.25, seed=2, scale=scale) == str(directory)
    for wanted in (
        {"replay_ratio": 1, "seed": 2, "scale": scale},
        {"replay_ratio": 0.25, "seed": 3, "scale": scale},
        {"replay_ratio": 0.25, "seed": 2, "scale": composed("scale=laptop")[0]["scale"]},
    ):
        with pytest.raises(InputError, match=r"holds no run with .*: give teacher\.folder=RUN.*sweep fig8_teachers"):
            find_run(experiment, "teacher", **wanted)  # type: ignore[arg-type]
    for name in ("one", "two"):
        changed(directory, tmp_path / name, "run.json", directory.name, name)
    with pytest.raises(InputError, match=r"holds 2 runs with .*/one, .*/two\): give student\.folder=RUN"):
        find_run(str(tmp_path), "student", replay_ratio=0.25, seed=2, scale=scale)
