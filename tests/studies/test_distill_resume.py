"""Distillation that was interrupted and goes on."""

from __future__ import annotations

import itertools
import shutil
import threading
from pathlib import Path

import pytest

from redo_lab.commands.train import main
from redo_lab.state_bytes import decode, encode
from tests.attempt.test_resume import Died, dying_at, final_state, same
from tests.helpers.distilling import CPU, run, run_of, start, train


def test_a_run_that_died_and_was_asked_for_again_equals_one_that_never_did(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"student.folder={run_of(root, '1')}"
    words = ["student=pretrained", source, "recycler=redo", "regulariser=l2_init", "checkpoint.every_seconds=1e-9"]
    words += ["recyclers.redo.period_updates=2", "training.log_period_updates=1", "probe=[dormancy,norms]"]
    whole = train(root, tmp_path / "whole", *words)
    with dying_at(5, monkeypatch), pytest.raises(Died):
        train(root, tmp_path / "mended", *words)
    for writer in threading.enumerate():
        if writer.name == "checkpoint":
            writer.join()
    mended = train(root, tmp_path / "mended", *words)
    assert "continuing at" in (mended / "log.txt").read_text()
    assert (mended / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert same(final_state(mended), final_state(whole))


def test_a_run_whose_teacher_is_gone_or_another_one_says_so_when_it_is_to_go_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moving = shutil.copytree(run_of(root, "0.25"), tmp_path / "teacher")
    directory = train(root, tmp_path / "runs", f"teacher.folder={moving}", "probe=none")
    capsys.readouterr()
    shutil.rmtree(moving)
    assert main(["--directory", str(directory)]) == 2
    assert f"train: teacher.folder={moving} is no directory of a run" in capsys.readouterr().err
    shutil.copytree(run_of(root, "1"), moving)
    assert main(["--directory", str(directory)]) == 2
    assert f"is now the run {run_of(root, '1').name}; this run has begun with" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_continued_from_a_state_is_the_uninterrupted_one(root: Path, stop: int) -> None:
    words = ["recycler=redo", "recyclers.redo.period_updates=3", "regulariser=l2_init", "probe=[dormancy,overlap]"]
    whole, journal = start(root, *words)
    run(whole)
    first, before = start(root, *words)
    for _ in itertools.islice(first.steps(), stop):
        pass
    second, after = start(root, *words)
    second.load_state_dict(decode(encode(first.state_dict()), CPU))
    run(second)
    assert before.entries + after.entries == journal.entries
    assert same(second.state_dict(), whole.state_dict())
