"""How an attempt ends when more than one thing goes wrong."""

from __future__ import annotations

import errno
import io
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from redo_lab.attempt import checkpointer, log_file, reporter
from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.attempt.reporter import Reporter
from redo_lab.commands.train import main
from redo_lab.runs import provenance, status
from redo_lab.runs.atomic import DiskFull
from redo_lab.runs.checkpoint import Checkpoints
from redo_lab.runs.record import Record
from redo_lab.runs.status import State, Status
from tests.attempt.test_checkpointer import Breather
from tests.attempt.test_log_file import Disk

WORDS = ["env=minatar/breakout", "scale=smoke", "network.width=0.25", "logger=none", "threads=1", "probe=none"]


def train(root: Path, *words: str) -> tuple[int, Status]:
    """The exit code of a run, and its status."""
    code = main([*WORDS, *words, f"root={root}"])
    (path,) = root.rglob("status.json")
    left = status.read(path.parent)
    assert left is not None
    return code, left


def breaking_at(tick: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment, as it were, breaks after so many steps."""
    left, original = [tick], Reporter.tick

    def counted(self: Reporter, study: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("the game broke")
        original(self, study)  # type: ignore[arg-type]

    monkeypatch.setattr(Reporter, "tick", counted)


def test_a_run_that_fails_says_so_also_where_its_last_metrics_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: MetricsLog) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    breaking_at(5, monkeypatch)
    monkeypatch.setattr(MetricsLog, "flush", refuse)
    code, left = train(tmp_path, "checkpoint.every_seconds=300", "progress.refresh_seconds=300")
    assert (code, left.state) == (1, State.FAILED)
    assert "the game broke" in (left.error or ""), "the first reason is the one to know"


def test_nothing_of_a_failed_run_is_written_any_more_when_it_lets_go_of_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing: list[bool] = []
    original = Record.close

    def noted(self: Record) -> None:
        writing.append(any(thread.name == "checkpoint" for thread in threading.enumerate()))
        original(self)

    breaking_at(5, monkeypatch)
    monkeypatch.setattr(checkpointer, "Breather", Breather)
    monkeypatch.setattr(Record, "close", noted)
    code, left = train(tmp_path, "checkpoint.every_seconds=1e-9")
    assert (code, left.state) == (1, State.FAILED)
    assert writing == [False]
    assert list(tmp_path.rglob("checkpoint/*.json")), "what was being written is there"


def test_a_run_whose_attempt_cannot_be_noted_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DiskFull(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(provenance, "append", refuse)
    code, left = train(tmp_path)
    assert (code, left.state) == (1, State.FAILED)
    assert "No space left" in (left.error or "")


def test_a_disk_too_full_for_metrics_and_log_ends_a_run_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = Disk()

    def refuse(*_: object) -> None:
        disk.full = True
        raise DiskFull("0.001 MB were to be written")

    monkeypatch.setattr(log_file, "open_append_nofollow", lambda path: io.BufferedWriter(disk))
    monkeypatch.setattr(Record, "throughput", refuse)
    code, left = train(tmp_path, "progress.refresh_seconds=1e-9")
    assert (code, left.state) == (1, State.FAILED)
    text = capsys.readouterr().err
    assert "MB were to be written" in text
    assert "lines of the log are missing" in text
    assert "Traceback" not in text


def test_a_full_disk_that_somebody_else_writes_to_ends_a_run_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "/cache")

    monkeypatch.setattr(Reporter, "tick", refuse)
    code, left = train(tmp_path)
    assert (code, left.state) == (1, State.FAILED)
    text = capsys.readouterr().err
    assert "Disk quota exceeded: '/cache'" in text
    assert "Traceback" not in text


def test_a_run_that_fails_gives_the_terminal_its_cursor_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    class Bar:
        def __init__(self, directory: Path, total: int) -> None:
            drawn.append("begin")

        def show(self, done: int, summary: str) -> None:
            drawn.append("show")

        def stop(self) -> None:
            drawn.append("stop")

    def refuse(_: MetricsLog) -> None:
        raise DiskFull("0.001 MB were to be written")

    monkeypatch.setattr(reporter, "_Bar", Bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(MetricsLog, "flush", refuse)
    code, _ = train(tmp_path)
    assert code == 1
    assert (drawn[0], drawn[-1], drawn.count("stop")) == ("begin", "stop", 1)


def full_for_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for status.json, from its first writing on."""

    def refuse(*_: object) -> None:
        raise DiskFull("status.json: 0.001 MB were to be written")

    monkeypatch.setattr(status, "write", refuse)


def test_the_reason_why_an_attempt_could_not_begin_is_told_also_where_its_status_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        full_for_status(monkeypatch)
        raise OSError(errno.EIO, "Input/output error", "attempts.jsonl")

    monkeypatch.setattr(provenance, "append", refuse)
    assert train(tmp_path)[0] == 1
    text = capsys.readouterr().err
    assert "redo-lab train" in text.splitlines()[-1]
    assert "Input/output error: 'attempts.jsonl'" in text.splitlines()[-1]
    assert "status.json does not say that the run has failed: status.json: 0.001 MB were" in text


def test_the_reason_why_a_run_failed_is_told_also_where_its_status_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        full_for_status(monkeypatch)
        raise RuntimeError("the game broke")

    monkeypatch.setattr(Reporter, "tick", refuse)
    assert train(tmp_path)[0] == 1
    text = capsys.readouterr().err
    assert text.index("training failed: the game broke") < text.index(
        "status.json does not say that the run has failed"
    )


def test_training_that_diverges_is_the_reason_also_where_its_networks_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = Checkpoints.commit

    def refuse(self: Checkpoints, *rest: Any) -> None:
        if self.folder.name == "debug":
            raise DiskFull("debug: 0.1 MB were to be written")
        commit(self, *rest)

    monkeypatch.setattr(Checkpoints, "commit", refuse)
    code, left = train(tmp_path, "agent.learning_rate=1e30", "replay_ratio=1")
    assert (code, left.state) == (1, State.FAILED)
    assert "is not finite at update" in (left.error or "").strip().splitlines()[-1]
    assert "0.1 MB" not in (left.error or "")
    assert "debug/ does not hold the networks to be looked at: debug: 0.1 MB were" in capsys.readouterr().err
