"""The same numbers from run directories, from W&B's files and from W&B's API."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import wandb

from redo_lab.loggers.wandb import Mode, Wandb
from redo_lab.runs.record import Record
from redo_lab.runs.table import Table, load
from redo_lab.runs.wandb_files import config, files, history
from redo_lab.runs.wandb_table import load_wandb
from redo_lab.types import Row

TREE = {"seed": 0, "root": "r", "network": {"width": 1}}
ROWS = [
    Row(100, 25, {"train/loss": 1 / 3, "evaluation/return_mean": 7.0}),
    Row(200, 50, {"train/loss": math.nan, "a/up": math.inf, "a/tiny": 5e-324}),
    Row(300, 75, {"train/loss": 0.1 + 0.2, "a/down": -math.inf, "evaluation/return_mean": 8.5}),
]


def make(root: Path, seed: int, state: str = "finished", attempts: int = 1) -> Path:
    """A run that went into its directory and to W&B offline."""
    axes = {"agent": "dqn", "suite": "atari", "game": "pong", "replay_ratio": 0.5, "recycler": "redo", "scale": "smoke"}
    tree = {**TREE, "seed": seed, "network": {"width": 1 + seed}}
    run = {
        "run_id": f"run-{seed}",
        "experiment": "e",
        "axes": {**axes, "seed": seed},
        "env_steps": 300,
        "identity": "x",
        "git": {"commit": "c0ffee", "dirty": seed == 1},
        "versions": {"python": "3", "redo_lab": "0.1.0", "torch": "2.13.0"},
    }
    directory = root / f"run-{seed}"
    record = Record.create(directory, "", {**run, "settings": {k: v for k, v in tree.items() if k != "root"}})
    status = {"state": state, "env_steps": 300, "updates": 75, "error": None}
    (directory / "status.json").write_text(json.dumps(status))
    parts = [ROWS] if attempts == 1 else [ROWS[:2], ROWS[2:]]
    for number, rows in enumerate(parts, start=1):
        config = Wandb.Config(Mode.offline, "p", None, timeout_seconds=30)
        logger = Wandb(config, directory=directory, run=run, config_tree=tree)
        for row in rows:
            record.append([row])
            logger.log([row])
        logger.finish(state if number == len(parts) else "preempted")
    record.close()
    return directory


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make(folder, 0)
    make(folder, 1, "interrupted")
    make(folder, 2, "failed", attempts=2)
    return folder


def numbers(table: Table) -> list[tuple[Any, ...]]:
    found = table.metrics().select("run_id", "seed", "env_steps", "updates", "name", "value")
    return sorted((*row[:-1], repr(row[-1] + 0.0)) for row in found.iter_rows())


def same(one: Table, other: Table) -> None:
    assert one.axes == other.axes
    assert one.settings == other.settings == ("network.width",)
    for name in other.runs.columns:
        if name not in ("directory", "error"):
            assert one.runs.sort("seed")[name].to_list() == other.runs.sort("seed")[name].to_list(), name
    assert len(numbers(other)) == 3 * 8
    assert numbers(one) == numbers(other)


def test_files_of_wandb_give_the_table_that_the_directories_give(root: Path) -> None:
    same(load_wandb(f"wandb:{root}"), load([root]))


def test_metrics_are_chosen_as_from_directories(root: Path) -> None:
    from_files, from_directories = load_wandb(f"wandb:{root}"), load([root])
    for asked in ({"names": ["train/loss"]}, {"prefixes": ["a/"]}):
        ours, theirs = (table.metrics(**asked).drop("directory") for table in (from_files, from_directories))
        assert ours.height > 0
        # W&B keeps no order within a row.
        order = ("seed", "env_steps", "name")
        assert ours.sort(order).equals(theirs.sort(order))
    only = from_files.where(pl.col("seed") == 1)
    assert set(only.metrics()["run_id"]) == {"run-1"}


class FakeRun:
    """A run as W&B's API gives it, made of a local file: JSON, so that what isn't finite is a word."""

    def __init__(self, paths: list[Path], state: str) -> None:
        self.id, self.state, self.paths = paths[0].stem, state, paths
        self.config = config(paths[-1])

    def scan_history(self) -> Iterator[dict[str, Any]]:
        for path in self.paths:
            for row in history(path):
                yield {name: _as_json(value) for name, value in row.items()} | {"a/never": None, "_step": 3}


def _as_json(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def test_the_api_of_wandb_gives_the_same_numbers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Api:
        def runs(self, path: str) -> list[FakeRun]:
            asked.append(path)
            states = ("finished", "killed", "crashed")
            return [FakeRun(files(root / f"run-{seed}"), state) for seed, state in enumerate(states)]

    monkeypatch.setattr(wandb, "Api", Api)
    found = load_wandb("wandb:me/plasticity")
    assert asked == ["me/plasticity"]
    assert found.runs["directory"][0].startswith("wandb:me/plasticity/")
    same(found, load([root]))


def test_a_run_of_somebody_else_is_left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Foreign(FakeRun):
        def __init__(self) -> None:
            super().__init__(files(root / "run-0"), "finished")
            self.config = {"lr": 1}

    known = [Foreign(), FakeRun(files(root / "run-1"), "running")]

    class Api:
        def runs(self, _path: str) -> list[FakeRun]:
            return known

    monkeypatch.setattr(wandb, "Api", Api)
    assert load_wandb("wandb:me/p").runs["state"].to_list() == ["running"]
    assert "is no training run of redo_lab" in caplog.text
    known.pop()
    with pytest.raises(ValueError, match="wandb:me/p: holds no runs of redo_lab"):
        load_wandb("wandb:me/p")


def test_mistakes_are_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="holds no runs of redo_lab"):
        load_wandb(f"wandb:{tmp_path}")
    with pytest.raises(ValueError, match="neither a folder here nor ENTITY/PROJECT"):
        load_wandb("wandb:plasticity")

    def refuses() -> None:
        raise wandb.errors.CommError("not found\nmore")

    monkeypatch.setattr(wandb, "Api", refuses)
    with pytest.raises(ValueError, match=r"--from wandb:me/absent: W&B says: not found$"):
        load_wandb("wandb:me/absent")
    path = tmp_path / "run-1" / "run-x.wandb"
    path.parent.mkdir()
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"run-x\.wandb is not a file of W&B's"):
        load_wandb(f"wandb:{tmp_path}")
