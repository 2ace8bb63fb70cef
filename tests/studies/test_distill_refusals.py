"""Distillation: teachers and sources that can't be learned from are refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.commands.train import main
from redo_lab.config import ConfigError
from tests.helpers.distilling import TINY, run_of, start, teaching
from tests.helpers.teachers import changed, teacher


def refusal(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said with exit code 2, before anything is written."""
    assert main([*TINY, "logger=none", f"root={root}", "experiment=refused", *words]) == 2
    assert not (root / "refused").exists()
    return capsys.readouterr().err


def test_without_a_teacher_the_refusal_says_where_one_comes_from(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(tmp_path, capsys)
    assert error.startswith(f"redo-lab train: {tmp_path}/fig8_teachers holds no run with replay ratio 0.25 and seed 0")
    assert "give teacher.folder=RUN, a run's directory; `redo-lab sweep fig8_teachers` makes those of Fig. 8" in error
    assert "give student.folder=RUN" in refusal(root, capsys, "student=pretrained", "seed=1", teaching(root))
    assert "is no directory of a run" in refusal(root, capsys, "teacher.folder=/nowhere")


def test_a_teacher_or_a_source_with_another_network_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(root, capsys, "network.width=0.5", "network.norm=layer")
    assert error.endswith("has another network than this run: it has network.width=0.25 network.norm=none\n")
    assert "than this run: it has network=minatar " in refusal(root, capsys, "network=nature")
    wide = changed(run_of(root, "1"), tmp_path / "wide", "config.yaml", "width: 0.25", "width: 0.5")
    assert f"student.folder={wide} has another network" in refusal(
        root, capsys, "student=pretrained", f"student.folder={wide}"
    )


def test_a_source_with_other_observations_actions_or_heads_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, old, new, message in (
        ("seaquest", "game: breakout", "game: seaquest", "has observations (10, 10, 10), "),
        ("asterix", "game: breakout", "game: freeway", "has observations (7, 10, 10), "),
        ("dueling", "dueling: false", "dueling: true", "has agent.dueling True, "),
    ):
        other = changed(run_of(root, "1"), tmp_path / name, "config.yaml", old, new)
        error = refusal(root, capsys, "student=pretrained", f"student.folder={other}")
        assert message in error
        assert error.strip().endswith("they must be the same")


def test_a_teacher_without_its_replay_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = teacher(tmp_path, "checkpoint.final_replay=false", "training.iterations=2")
    assert "has no replay in the checkpoint of its end" in refusal(root, capsys, f"teacher.folder={bare}")


def test_a_probe_that_needs_an_agent_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="needs a TDCritic, and Regressor is none"):
        start(root, "probe=[values]")
