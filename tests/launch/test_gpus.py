"""How many runs a GPU carries: measured by `make bench-gpu`, kept for this machine, read by runs_per_gpu=auto."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from redo_lab.commands import train
from redo_lab.config import ConfigError
from redo_lab.launch import local
from redo_lab.launch.board import Board, Job
from redo_lab.launch.gpus import measured, names, recommended, record, runs_per_gpu, table_path
from redo_lab.launch.local import Pool
from redo_lab.plan import Plan

CARD = "NVIDIA H100 80GB HBM3"
SETTINGS = {"runs_at_once": None, "threads_per_run": 1, "gpus": None, "refresh_seconds": 1.0, "line_seconds": 1.0}


def test_the_fewest_runs_that_are_almost_the_fastest_are_recommended() -> None:
    assert recommended({1: 100.0, 2: 190.0, 4: 290.0, 8: 300.0}) == 4
    assert recommended({1: 100.0, 2: 60.0}) == 1
    assert recommended({1: 100.0, 2: 200.0}) == 2


def test_what_was_measured_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "runs_per_gpu.json"
    assert measured(path) == {}
    for workload, runs in (("dqn", 4), ("sac", 8), ("dqn", 3)):
        record(CARD, workload, runs, path)
    assert measured(path) == {CARD: {"dqn": 3, "sac": 8}}


@pytest.mark.parametrize("text", ["[]", "{", '{"card": {"dqn": 0}}', '{"card": {"dqn": "4"}}', '{"card": 4}'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(ConfigError, match="isn't a table of runs per GPU"):
        measured(tmp_path / "table.json")


def test_the_table_says_how_many_runs_every_gpu_here_carries() -> None:
    table = {CARD: {"dqn": 4, "sac": 8}, "small": {"dqn": 2}, "empty": {}}
    assert runs_per_gpu(["dqn"], [CARD], table) == 4
    assert runs_per_gpu(["dqn", "sac"], [CARD], table) == 4
    assert runs_per_gpu(["sac"], [CARD, "small"], table) == 2
    assert runs_per_gpu(["another"], [CARD], table) == 4
    for kinds in ([], ["unknown"], [CARD, "unknown"], ["empty"]):
        assert runs_per_gpu(["dqn"], kinds, table) is None


def test_it_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert table_path() == tmp_path / "redo_lab" / "runs_per_gpu.json"


def test_another_word_than_auto_is_refused() -> None:
    with pytest.raises(ConfigError, match="runs_per_gpu must be a number or auto, got many"):
        Pool.Config(runs_per_gpu="many", **SETTINGS)  # type: ignore[arg-type]
    assert Pool.Config(runs_per_gpu="auto", **SETTINGS).packed(6).at_once(2) == 12  # type: ignore[arg-type]
    assert Pool.Config(runs_per_gpu=3, **SETTINGS).packed(6).at_once(2) == 6  # type: ignore[arg-type]


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two GPUs of one kind, as nvidia-smi shows them, and an empty cache; returns its folder."""
    script = f'case "$1" in *name) echo "{CARD}"; echo "{CARD}";; *) echo 0; echo 1;; esac'
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize(("table", "at_once"), [({CARD: {"dqn": 3, "sac": 5}}, 6), (None, 2)])
def test_a_sweep_takes_as_many_runs_a_gpu_as_were_measured(
    table: dict[str, dict[str, int]] | None,
    at_once: int,
    two_cards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    started: list[int] = []

    def stand_in(pool: Pool, jobs: list[Job], finished_before: int = 0) -> Board:
        started.append(pool.config.at_once(len(pool.gpus)))
        return Board(1, finished_before)

    monkeypatch.setattr(local.Pool, "run", stand_in)
    assert names() == [CARD]
    if table is not None:
        table_path().parent.mkdir(parents=True)
        table_path().write_text(json.dumps(table))
    words = ["-m", "env=minatar/breakout", "scale=smoke", "logger=none", "device=auto", "seed=range(9)"]
    assert train.main([*words, f"root={tmp_path}", "hydra.launcher.runs_per_gpu=auto"]) == 0
    assert started == [at_once]
    said = f"runs_per_gpu=auto: nothing was measured on {CARD} (make bench-gpu does it): 1 run on each"
    assert (said in capsys.readouterr().err) == (table is None)


@pytest.mark.usefixtures("two_cards")
def test_nothing_is_said_of_gpus_where_nothing_is_left_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Plan, "finished", True)
    words = ["-m", "env=minatar/breakout", "scale=smoke", "logger=none", "device=auto", "seed=range(2)"]
    assert train.main([*words, f"root={tmp_path}", "hydra.launcher.runs_per_gpu=auto"]) == 0
    assert capsys.readouterr().err == ""
