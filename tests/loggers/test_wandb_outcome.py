"""What W&B has of a run beside its rows: the outcome in its summary, the lock file, and a checkpoint if asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redo_lab.analysis.normalise import human_normalised
from redo_lab.analysis.score_table import final_scores
from redo_lab.config import build, parse
from redo_lab.loggers.wandb import Wandb, sender
from redo_lab.loggers.wandb.history import Measured
from redo_lab.loggers.wandb.outcome import Outcome
from redo_lab.paths import LOCK
from redo_lab.runs import video, wandb_files
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.manifest import Manifest
from redo_lab.runs.record import Throughput
from redo_lab.runs.table import load
from redo_lab.runs.wandb_table import load_wandb
from redo_lab.types import Row
from tests.helpers.composing import planned
from tests.helpers.studies import make_run
from tests.helpers.tracked import Tracked
from tests.loggers.test_wandb import AXES, CONFIG_TREE, RUN, node, records

RETURNS = [float(value) for value in (3, 60, *range(1, 21))]
NUMBER = 7


def start(directory: Path, run: dict[str, Any], **settings: Any) -> Wandb:
    node_of_run = {**node("wandb_offline"), **settings}
    logger = build(node_of_run, "logger", directory=directory, run=run, config_tree=CONFIG_TREE)
    assert isinstance(logger, Wandb)
    return logger


def offline(directory: Path, state: str = "finished", **settings: Any) -> Path:
    """A run of RETURNS with a checkpoint, kept by W&B offline."""
    attempt = Tracked(directory, start(directory, RUN, **settings))
    (directory / "config.yaml").write_text("seed: 3\n")
    checkpoint = directory / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "7-0123456789ab.state").write_bytes(b"weights")
    manifest = Manifest(NUMBER, PartFile("7-0123456789ab.state", 7, "0" * 64), (), {"env_steps": 2200})
    (checkpoint / f"{NUMBER}.json").write_bytes(manifest.encode())
    for at, value in enumerate(RETURNS, start=1):
        attempt.log([Row(100 * at, 25 * at, {"evaluation/return_mean": value, "dormant/total_tau0p1": 2.0 * at})])
    attempt.record.throughput(Throughput(11.0, 2200, 550, 200.0, 50.0, 100.0))
    attempt.finish(state)
    return directory


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return offline(tmp_path_factory.mktemp("run"), artifacts=True)


def summary(directory: Path) -> dict[str, float]:
    items = [item for record in records(directory) if record.HasField("summary") for item in record.summary.update]
    return {"".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def test_the_summary_says_what_came_of_the_run(finished: Path) -> None:
    outcome = {name: value for name, value in summary(finished).items() if name.startswith("final/")}
    assert outcome == {
        "final/score": 19.5,  # of 22 evaluations the last two
        "final/best_score": 60.0,
        "final/normalised_score": pytest.approx(human_normalised(19.5, "breakout")),
        "final/dormant_percent": 44.0,
        "final/updates_per_s": 50.0,
    }


def test_the_final_score_is_that_of_the_analysis(tmp_path: Path) -> None:
    for length in (1, 9, 10, 19, 20, 35):
        returns = [float((7 * at) % 11) for at in range(length)]
        directory = make_run(tmp_path / str(length), "redo", "breakout", 0, returns, dormant=None)
        outcome = Outcome(RUN, AXES)
        for at, value in enumerate(returns):
            outcome.add(Measured((at, at), {"evaluation/return_mean": value}))
        expected = final_scores(load([directory], cache=False).evaluations())
        assert outcome.summary(directory)["final/score"] == pytest.approx(expected[str(directory)])


def test_a_score_that_is_no_return_of_a_game_is_not_normalised_and_the_least_loss_is_the_best(tmp_path: Path) -> None:
    outcome = Outcome({"scored_by": "train/loss", "higher_is_better": False}, {"game": "breakout"})
    for value in (3.0, 1.0, 2.0):
        outcome.add(Measured((1, 1), {"train/loss": value, "evaluation/return_mean": 9.0}))
    assert outcome.summary(tmp_path) == {"final/score": 2.0, "final/best_score": 1.0}


def test_a_run_without_an_evaluation_has_no_score(tmp_path: Path) -> None:
    assert Outcome(RUN, AXES).summary(tmp_path) == {}


def test_the_lock_file_of_the_code_is_among_the_files_of_the_run(finished: Path) -> None:
    (copy,) = finished.glob("wandb/offline-run-*/files/requirements.lock")
    assert copy.read_bytes() == LOCK.read_bytes()
    assert not copy.is_symlink()


def test_the_code_and_what_a_run_is_scored_by_are_in_its_config(tmp_path: Path) -> None:
    score = {"scored_by": "train/loss", "score_word": "loss", "higher_is_better": False, "clocks": {"updates": "u"}}
    Tracked(tmp_path, start(tmp_path, {**RUN, **score})).finish("finished")
    (started,) = [record.run for record in records(tmp_path) if record.HasField("run")]
    (identity,) = [json.loads(item.value_json) for item in started.config.update if item.key == "run"]
    assert identity["git"] == {"commit": "c0ffee", "dirty": False}
    assert {key: identity[key] for key in score} == score


def test_the_last_checkpoint_is_an_artifact_laid_out_as_the_run_directory(finished: Path) -> None:
    (artifact,) = [record.artifact for record in records(finished) if record.HasField("artifact")]
    assert (artifact.type, artifact.name) == ("checkpoint", "checkpoint-e.x")
    assert set(artifact.aliases) == {"latest", "final"}
    assert {entry.path for entry in artifact.manifest.contents} == {
        *("config.yaml", "run.json", "checkpoint/7.json", "checkpoint/7-0123456789ab.state")
    }
    assert json.loads(artifact.metadata) == {"env_steps": 2200}


def test_a_game_filmed_in_training_is_in_the_history_once_at_its_step_and_is_no_metric(tmp_path: Path) -> None:
    frames = [np.full((32, 32, 3), shade, np.uint8) for shade in range(4)]
    for kept, steps in ((0, (100, 250)), (3, (300,))):
        attempt = Tracked(tmp_path, start(tmp_path, RUN), kept)
        for step in steps:
            video.write(tmp_path / "videos" / f"step{step}-training-return3.mp4", frames, 30.0)
        video.write(tmp_path / "videos" / "step300-game1-return3.mp4", frames, 30.0)
        attempt.log([Row(100 * at, 25 * at, {"train/loss": float(at)}) for at in range(kept + 1, kept + 4)])
        attempt.finish("preempted")
    rows = [row for path in wandb_files.files(tmp_path) for row in wandb_files.history(path)]
    films = [row for row in rows if any(name.startswith("video/training") for name in row)]
    assert [(row["env_steps"], row["updates"]) for row in films] == [(100, 25), (250, 50), (300, 75)]
    assert set(load_wandb(f"wandb:{tmp_path}").logged()["name"]) == {"train/loss"}
    assert len(list(tmp_path.glob("wandb/offline-run-*/files/media/videos/video/*.mp4"))) == 3


@pytest.mark.parametrize(("state", "settings"), [("finished", {}), ("interrupted", {"artifacts": True})])
def test_without_being_asked_or_before_its_end_no_checkpoint_is_sent(
    tmp_path: Path, state: str, settings: dict[str, Any]
) -> None:
    offline(tmp_path, state, **settings)
    assert not [record for record in records(tmp_path) if record.HasField("artifact")]
    assert summary(tmp_path)["final/score"] == 19.5


def test_the_machine_is_watched_only_if_asked_for_and_then_the_process_that_trains(tmp_path: Path) -> None:
    for system in (False, True):
        logger = start(tmp_path, RUN, system=system)
        settings = sender.settings(sender.Order(**logger._order))
        logger._process.kill()
        assert (settings.x_disable_stats, settings.x_disable_machine_info) == (not system, not system)
        assert settings.x_stats_pid == os.getpid()


def test_a_run_of_an_older_version_goes_on_without_these_settings() -> None:
    older = {key: value for key, value in node("wandb").items() if key not in ("system", "artifacts")}
    config = parse(older, "logger")
    assert isinstance(config, Wandb.Config)
    assert (config.system, config.artifacts) == (False, False)


def test_the_settings_of_a_logger_change_no_identity() -> None:
    words = ("logger.system=true", "logger.artifacts=true", "logger.project=other")
    assert planned("scale=smoke", *words).run["run_id"] == planned("scale=smoke").run["run_id"]
