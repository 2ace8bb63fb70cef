"""A whole run, as a user starts it: what it leaves on disk, that it repeats, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from redo_lab.commands.train import main
from redo_lab.config import ConfigError
from redo_lab.loggers.none import NoLogger
from redo_lab.runs import status
from redo_lab.runs.status import State
from redo_lab.studies.evaluation import Evaluation

SMOKE = ["env=minatar/breakout", "scale=smoke", "replay_ratio=1", "logger=none", "threads=1"]


def train(root: Path, *overrides: str, code: int = 0) -> Path:
    """The directory of the run, after `redo-lab train` ended with `code`."""
    before = {path.parent for path in root.rglob("run.json")}
    assert main([*SMOKE, f"root={root}", *overrides]) == code
    (directory,) = {path.parent for path in root.rglob("run.json")} - before
    return directory


def metrics(directory: Path) -> list[tuple[int, int, str, float]]:
    with (directory / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["env_steps", "updates", "name", "value"]
    return [(int(r["env_steps"]), int(r["updates"]), r["name"], float(r["value"])) for r in rows]


def named(directory: Path, name: str) -> list[tuple[int, int, float]]:
    return [(env_steps, updates, value) for env_steps, updates, n, value in metrics(directory) if n == name]


def test_a_smoke_run_warms_up_updates_evaluates_probes_and_recycles(tmp_path: Path) -> None:
    directory = train(tmp_path, "recycler=redo")
    assert [env_steps for env_steps, _, _ in named(directory, "evaluation/return_mean")] == [200, 400, 600]
    losses = named(directory, "train/loss")
    assert losses[0][0] > 160
    assert [updates for _, updates, _ in losses] == list(range(20, 441, 20))
    assert [updates for _, updates, _ in named(directory, "redo/recycled_total")] == list(range(20, 440, 20))
    assert [updates for _, updates, _ in named(directory, "dormant/total_tau0p1")] == list(range(20, 441, 20))
    assert named(directory, "training/return")
    found = status.read(directory)
    assert found is not None
    assert (found.state, found.done, found.updates, found.error) == (State.FINISHED, 600, 440, None)
    run = json.loads((directory / "run.json").read_text())
    assert run["axes"]["recycler"] == "redo"
    assert {path.name for path in directory.iterdir()} >= {
        "config.yaml",
        "run.json",
        "metrics.csv",
        "throughput.csv",
        "status.json",
        "log.txt",
    }


def test_the_same_config_gives_the_same_metrics_and_another_seed_others(tmp_path: Path) -> None:
    first, second = train(tmp_path / "a", "recycler=redo"), train(tmp_path / "b", "recycler=redo")
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()
    other = train(tmp_path / "c", "recycler=redo", "seed=1")
    assert (first / "metrics.csv").read_bytes() != (other / "metrics.csv").read_bytes()


def test_measuring_does_not_disturb_training(tmp_path: Path) -> None:
    measured, bare = train(tmp_path / "a"), train(tmp_path / "b", "probe=none")
    assert named(measured, "train/loss") == named(bare, "train/loss")
    assert named(measured, "training/return") == named(bare, "training/return")


def test_a_recycler_s_own_draws_do_not_disturb_the_training_batches(tmp_path: Path) -> None:
    never = "recyclers.redo.threshold=0"
    recycled, bare = train(tmp_path / "a", "recycler=redo", never), train(tmp_path / "b")
    first_recycling = next((u for _, u, n in named(recycled, "redo/recycled_total") if n), 10**9)
    before = [row for row in named(bare, "train/loss") if row[1] <= first_recycling]
    assert before
    assert named(recycled, "train/loss")[: len(before)] == before


def test_a_finished_run_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = train(tmp_path)
    stamp = (directory / "metrics.csv").stat().st_mtime_ns
    assert main([*SMOKE, f"root={tmp_path}"]) == 0
    assert f"{directory} is finished; nothing to do" in capsys.readouterr().out
    assert (directory / "metrics.csv").stat().st_mtime_ns == stamp


def test_an_error_in_training_is_recorded_and_ends_with_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> dict[str, float]:
        raise RuntimeError("the emulator is on fire")

    monkeypatch.setattr(Evaluation, "play", fail)
    directory = train(tmp_path, code=1)
    found = status.read(directory)
    assert found is not None
    assert found.state is State.FAILED
    assert "the emulator is on fire" in (found.error or "")
    assert "the emulator is on fire" in (directory / "log.txt").read_text()
    assert named(directory, "train/loss")


def test_ctrl_c_ends_a_run_cleanly(tmp_path: Path) -> None:
    words = [*SMOKE, f"root={tmp_path}", "training.iterations=1000"]
    child = subprocess.Popen(
        [sys.executable, "-m", "redo_lab.commands.train", *words], stderr=subprocess.PIPE, text=True
    )
    directory = wait_for_updates(tmp_path)
    os.kill(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert "Traceback" not in errors
    assert (
        errors.splitlines()[-1]
        == f"stopped by Ctrl-C; to go on from the last checkpoint: redo-lab train {' '.join(words)}"
    )
    found = status.read(directory)
    assert found is not None
    assert found.state is State.INTERRUPTED
    assert found.updates > 0
    rows = metrics(directory)
    assert (directory / "metrics.csv").read_bytes().endswith(b"\n")
    assert rows[-1][0] <= found.done


def wait_for_updates(root: Path) -> Path:
    for _ in range(600):
        for path in root.rglob("status.json"):
            found = status.read(path.parent)
            if found is not None and found.updates > 0:
                return path.parent
        time.sleep(0.1)
    raise AssertionError("the run made no update within a minute")


def test_a_tracker_that_cannot_start_leaves_a_failed_run_not_a_pending_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConfigError("W&B could not start: not logged in")

    monkeypatch.setattr(NoLogger, "__init__", refuse)
    directory = train(tmp_path, code=2)
    left = status.read(directory)
    assert left is not None
    assert (left.state, left.attempt, left.done) == (State.FAILED, 1, 0)
    assert "not logged in" in (left.error or "")
    assert "not logged in" in capsys.readouterr().err
