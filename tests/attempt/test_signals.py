"""Asked to stop, a run saves and goes on later; what it can't do exactly it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from redo_lab.attempt import signals
from redo_lab.attempt.checkpointer import Checkpointer
from redo_lab.attempt.reporter import Reporter
from redo_lab.attempt.signals import Stop, Stopped, stopping
from redo_lab.commands.train import main
from redo_lab.runs import status
from redo_lab.runs.status import State
from tests.commands.test_train import wait_for_updates

WORDS = ["env=minatar/breakout", "recycler=redo", "replay_ratio=1", "scale=smoke", "logger=none", "threads=1"]


def stopping_at(step: int, monkeypatch: pytest.MonkeyPatch, state: State = State.INTERRUPTED) -> None:
    """As if a signal had come after so many of the study's steps."""
    checks = iter([None] * (step - 1))

    def check(self: Stop) -> None:
        if next(checks, "over") == "over":
            self.state = state
            raise Stopped

    monkeypatch.setattr(Stop, "check", check)


def test_a_preempted_run_saves_and_ends_like_one_never_disturbed(tmp_path: Path) -> None:
    words = [*WORDS, "training.iterations=6"]
    assert main([*words, f"root={tmp_path / 'whole'}"]) == 0
    root = tmp_path / "preempted"
    child = subprocess.Popen(
        [sys.executable, "-m", "redo_lab.commands.train", *words, f"root={root}"], stderr=subprocess.PIPE
    )
    directory = wait_for_updates(root)
    os.kill(child.pid, signal.SIGTERM)
    child.communicate(timeout=60)
    assert child.returncode == 143
    found = status.read(directory)
    assert found is not None
    assert found.state is State.PREEMPTED
    assert 0 < found.done < 1200
    assert main([*words, f"root={root}"]) == 0
    whole = tmp_path / "whole" / "default" / directory.name
    assert (directory / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    found = status.read(directory)
    assert found is not None
    assert (found.state, found.attempt) == (State.FINISHED, 2)


def test_without_its_replay_a_run_goes_on_and_says_that_it_is_not_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*WORDS, f"root={tmp_path}", "checkpoint.replay=false"]
    with monkeypatch.context() as patch:
        stopping_at(300, patch, State.PREEMPTED)
        assert main(words) == 143
    (directory,) = (path.parent for path in tmp_path.rglob("run.json"))
    assert not list((directory / "checkpoint" / "replay").glob("*"))
    assert main(words) == 0
    assert "the run goes on, but not exactly" in (directory / "log.txt").read_text()
    found = status.read(directory)
    assert found is not None
    assert (found.state, found.done, found.updates) == (State.FINISHED, 600, 440)


def test_the_first_signal_is_remembered_and_the_second_stops_at_once() -> None:
    with stopping() as stop:
        stop.check()
        os.kill(os.getpid(), signal.SIGUSR2)
        assert stop.state is State.PREEMPTED
        with pytest.raises(Stopped):
            stop.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def impatient(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("ending", [(Reporter, "end"), (Checkpointer, "close")])
def test_ctrl_c_while_a_run_is_ending_ends_it_at_once_with_what_it_has_saved(
    ending: tuple[type, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, f"root={tmp_path}"]
    with monkeypatch.context() as patch:
        stopping_at(300, patch)
        patch.setattr(*ending, impatient)
        assert main(words) == 130
    (directory,) = (path.parent for path in tmp_path.rglob("run.json"))
    printed = capsys.readouterr()
    assert f"{directory} is interrupted\n" in printed.out
    assert printed.err.splitlines()[-1].startswith(
        "stopped by Ctrl-C; to go on from the last checkpoint: redo-lab train"
    )
    at = status.read(directory)
    assert at is not None
    assert (at.state, at.error) == (State.INTERRUPTED, None)
    newest = max(int(path.stem) for path in (directory / "checkpoint").glob("*.json"))
    assert newest == at.done > 100
    assert main(words) == 0
    assert f"continuing at {newest} agent steps" in (directory / "log.txt").read_text()


def test_where_no_step_comes_a_later_term_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run that saves, or that was asked only just now, it does not."""
    now = 100.0
    monkeypatch.setattr(signals.time, "monotonic", lambda: now)
    with stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        now += signals.GRACE_SECONDS - 1
        os.kill(os.getpid(), signal.SIGTERM)
        now += 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            stop.check()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.state is State.PREEMPTED
