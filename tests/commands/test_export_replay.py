"""`redo-lab export-replay`: a run's replay as a data set, and what it says where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from redo_lab.attempt.kept import kept_replay
from redo_lab.cli import main
from redo_lab.runs.manifest import Manifest, manifests
from tests.helpers.recordings import loaded

WORDS = ["env=minatar/breakout", "scale=smoke", "training.iterations=2", "network.width=0.25", "probe=none"]
QUIET = ["logger=none", "threads=1", "evaluation.env_steps=20"]


def train(root: Path, *words: str) -> Path:
    assert main(["train", *WORDS, *QUIET, f"root={root}", *words]) == 0
    (directory,) = (path.parent for path in root.rglob("run.json"))
    return directory


def test_what_is_drawn_from_an_export_is_what_the_run_drew_from(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = train(tmp_path / "runs", "checkpoint.final_replay=true")
    capfd.readouterr()
    assert main(["export-replay", str(directory), "-o", str(tmp_path / "data")]) == 0
    said = capfd.readouterr().out
    assert "breakout/1/replay_logs" in said
    assert "the replay after 400 agent steps" in said
    kept = kept_replay(directory)
    assert (kept.game, kept.env_steps, kept.newest_env_steps) == ("breakout", 400, 400)
    again = loaded(tmp_path / "data" / "breakout" / "1" / "replay_logs", kept.replay.spec)
    again.config.discount = kept.replay.config.discount
    before, after = (one.transitions(one.valid_starts()) for one in (kept.replay, again))
    assert len(before.obs) > 380
    assert all(torch.equal(before[field], after[field]) for field in range(3))
    goes_on = before.discount > 0
    assert torch.equal(goes_on, after.discount > 0)
    assert torch.equal(before.next_obs[goes_on], after.next_obs[goes_on])
    assert 0 < goes_on.sum() < len(goes_on)


def test_an_offline_run_learns_from_an_export_that_is_left_as_it_is(tmp_path: Path) -> None:
    directory = train(tmp_path / "runs", "checkpoint.final_replay=true")
    export = ["export-replay", directory.name, "--root", str(tmp_path / "runs"), "-o", str(tmp_path / "data")]
    assert main([*export, "--number", "4"]) == 0
    offline = [
        "study=offline",
        "env=minatar/breakout",
        "scale=smoke",
        "training.updates=3",
        "probe=none",
        "logger=none",
    ]
    place = [f"data.folder={tmp_path / 'data'}", "data.run=4", f"root={tmp_path / 'offline'}", "threads=1"]
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*.gz")}
    assert main(["train", *offline, *place]) == 0
    assert main([*export, "--number", "4"]) == 2
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*.gz")} == before


def test_a_finished_run_without_its_replay_says_how_to_keep_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = train(tmp_path / "runs", "checkpoint.keep=1")
    capfd.readouterr()
    assert main(["export-replay", str(directory), "-o", str(tmp_path / "data")]) == 2
    assert "checkpoint.final_replay=true" in capfd.readouterr().err
    assert not (tmp_path / "data").exists()


def test_an_older_checkpoint_that_has_the_replay_is_used_and_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = train(tmp_path / "runs", "checkpoint.every_seconds=1e-9")
    numbers = manifests(directory / "checkpoint")
    with_replay = [number for number, one in numbers.items() if isinstance(one, Manifest) and one.segments]
    assert with_replay
    assert max(with_replay) < max(numbers)
    capfd.readouterr()
    assert main(["export-replay", str(directory), "-o", str(tmp_path / "data")]) == 0
    said = capfd.readouterr().out
    assert f"the replay after {max(with_replay)} agent steps" in said
    assert "the run goes on to 400 agent steps" in said


def test_a_run_of_another_study_has_no_replay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["study=supervised", "scale=smoke", "data.samples=40", "learner.batch_size=16", "network.width=0.125"]
    assert main(["train", *words, "probe=none", "logger=none", "threads=1", f"root={tmp_path / 'runs'}"]) == 0
    (directory,) = (path.parent for path in tmp_path.rglob("run.json"))
    assert main(["export-replay", str(directory), "-o", str(tmp_path / "data")]) == 2
    assert "only one of study=online has a replay" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["nowhere"], ["nowhere", "--number", "-1"]])
def test_mistakes_are_code_2(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert main(["export-replay", *words, "-o", "data"]) == 2
