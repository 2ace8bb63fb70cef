"""redo-lab logs and errors, as a user calls them."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.commands import logs as logs_command
from redo_lab.runs.status import State
from tests.helpers.launched import make_run, own, record, set_status
from tests.helpers.verbs import TRACEBACK

pytestmark = pytest.mark.usefixtures("away")


def test_errors_are_grouped_by_their_tracebacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "runs"
    make_run(root, "a0", State.FAILED, error="other")
    for number in range(1, 4):
        error = TRACEBACK.format(line=7, words=f"a{number}: return 1.{number}e3 is no good")
        make_run(root, f"a{number}", State.FAILED, error=error)
    make_run(root, "b4", State.PENDING)
    record(root, {"9": ["b4"]})
    assert main(["errors"]) == 0
    out = capsys.readouterr().out
    heads = re.findall(r"^(\d+) runs?, first \S+/(\w+):$", out, re.MULTILINE)
    assert heads == [("3", "a1"), ("1", "a0"), ("1", "b4")]
    assert "ValueError: a1: return 1.1e3 is no good" in out
    assert "a2" not in out
    assert "lost: its process is gone" in out


def test_logs_prints_the_end_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.FINISHED)
    make_run(tmp_path / "runs", "a1", State.FINISHED)
    (directory / "log.txt").write_text("one\ntwo\nthree\n")
    assert main(["logs", "a0", "-n", "2"]) == 0
    assert capsys.readouterr().out == "two\nthree\n"
    assert main(["logs", "a"]) == 2
    assert "a0" in capsys.readouterr().err
    assert main(["logs", "a1"]) == 0
    assert "has written no log yet" in capsys.readouterr().err


@pytest.mark.parametrize("follow", [[], ["-f"]], ids=["once", "following"])
def test_logs_moves_no_cursor_unless_it_is_asked_for_the_raw_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], follow: list[str]
) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.FINISHED)
    (directory / "log.txt").write_text("one\n\x1b]0;title\x07\x1b[2Jtwo\x9b\n")
    assert main(["logs", "a0", *follow]) == 0
    assert capsys.readouterr().out == "one\n�]0;title��[2Jtwo�\n"
    assert main(["logs", "a0", "--raw", "-n", "1", *follow]) == 0
    assert capsys.readouterr().out == "\x1b]0;title\x07\x1b[2Jtwo\x9b\n"


def test_logs_falls_back_on_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.FAILED)
    (directory / "log.txt").write_text("")
    (directory / "console.txt").write_text("ImportError\n")
    assert main(["logs", str(directory)]) == 0
    assert capsys.readouterr().out == "ImportError\n"


def test_logs_follows_until_the_run_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs_command, "FOLLOW_SECONDS", 0.05)
    monkeypatch.setattr(logs_command, "STATE_SECONDS", 0.1)
    directory = make_run(tmp_path / "runs", "a0", State.RUNNING)
    own(directory)
    (directory / "log.txt").write_text("begun\n")

    def go_on() -> None:
        with (directory / "log.txt").open("a") as log:
            log.write("done\n")
        set_status(directory, state="finished")

    threading.Timer(0.4, go_on).start()
    assert main(["logs", "a0", "-f"]) == 0
    assert capsys.readouterr().out == "begun\ndone\n"
