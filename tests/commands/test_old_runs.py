"""A run of a redo_lab that knew online RL alone (commit 2ec0b63): read as ever, not carried on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from redo_lab.cli import main
from redo_lab.runs import status
from redo_lab.runs.status import State

OLD = Path(__file__).parent.parent / "helpers" / "old_run"
TRACE = "was begun by another version of redo_lab, probably an older one, and can't be carried on by this one"
NAME = "dqn-breakout-rr1-redo-s0-257dc61d9e"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(OLD, tmp_path / "runs" / "default" / NAME))


def cut_off(directory: Path) -> None:
    path = directory / "status.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "preempted", "env_steps": 400}))


@pytest.mark.usefixtures("old")
def test_its_status_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["state"], run["done"], run["total"], run["unit"]) == ("finished", 600, 600, "agent steps")
    assert run["name"] == "dqn minatar minatar breakout rr1 redo smoke s0"
    assert run["headline"] == {"return": 0.0, "dormant %": pytest.approx(0.694, abs=1e-3)}


@pytest.mark.usefixtures("old")
def test_its_row_and_its_metrics_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "runs", "-o", "runs.csv"]) == 0
    (row,) = pl.read_csv("runs.csv").to_dicts()
    assert (row["run_id"], row["study"], row["unit"], row["return"]) == (NAME, "online", "agent steps", 0.0)
    assert main(["runs", "runs", "--metric", "evaluation/return_mean", "-o", "metrics.csv"]) == 0
    values = pl.read_csv("metrics.csv")
    assert values["env_steps"].to_list() == [200, 400, 600]
    assert values["updates"].to_list() == [40, 240, 440]


@pytest.mark.usefixtures("old")
def test_it_is_aggregated_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--repetitions", "20", "--normalisation", "none"]
    assert main(["aggregate", "runs", *words, "-o", "out"]) == 0
    assert "redo" in capsys.readouterr().out
    assert main(["report", "runs", *words, "-o", "report.html"]) == 0
    assert NAME in Path("report.html").read_text()


def test_resuming_it_says_who_began_it_and_how_to_begin_anew(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(old)
    before = (old / "metrics.csv").read_bytes()
    assert main(["train", "--directory", str(old)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert TRACE in line
    assert line.endswith("the words that began it with force=true start it anew")
    ended = status.read(old)
    assert ended is not None
    assert (ended.state, ended.done) == (State.FAILED, 400)
    assert ended.error is not None
    assert TRACE in ended.error
    assert (old / "metrics.csv").read_bytes() == before


def test_a_finished_one_stays_finished_when_it_is_asked_for(old: Path) -> None:
    before = (old / "status.json").read_bytes()
    assert main(["train", "--directory", str(old)]) == 2
    assert (old / "status.json").read_bytes() == before


def test_a_config_that_lacks_a_newer_key_is_of_another_version(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As of a run between two versions: the study is there, a setting of it is not."""
    cut_off(old)
    with (old / "config.yaml").open("a") as file:
        file.write("study:\n  _target_: redo_lab.studies.online.Online\n")
    assert main(["train", "--directory", str(old)]) == 2
    assert TRACE in capsys.readouterr().err


def test_retry_leaves_it_out_by_name(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(old)
    assert main(["retry", "--state", "preempted"]) == 2
    assert f"{NAME} is left out: " in capsys.readouterr().err
    assert json.loads((old / "status.json").read_text())["state"] == "preempted"
