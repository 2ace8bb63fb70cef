"""What holds of all verbs for runs that were started (status, wait, cancel, retry, logs, errors), and wait."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.runs.status import State
from tests.helpers.launched import make_run, own, set_status

pytestmark = pytest.mark.usefixtures("away")


@pytest.mark.parametrize("verb", ["status", "wait", "cancel", "retry", "errors"])
def test_no_such_runs_is_a_mistake(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "nowhere"]) == 2
    assert f"redo-lab {verb}: nowhere: no such directory" in capsys.readouterr().err


@pytest.mark.parametrize(("end", "code"), [("finished", 0), ("failed", 1), ("preempted", 1)])
def test_wait_says_how_it_ended(tmp_path: Path, end: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.RUNNING)
    own(directory)
    threading.Timer(0.3, set_status, [directory], {"state": end}).start()
    assert main(["wait", "--every", "0.1"]) == code
    assert capsys.readouterr().out.split() == ["1", "running", "1", end]


def damage(directory: Path, name: str, how: str) -> None:
    path = directory / name
    path.unlink(missing_ok=True)
    if how == "fifo":
        os.mkfifo(path)
    elif how == "large":
        with path.open("wb") as file:
            file.truncate(20 * 2**30)
    else:
        path.write_text("[" * 100_000 if how == "deep" else how)


@pytest.mark.parametrize("verb", ["status", "wait", "errors", "retry", "cancel"])
@pytest.mark.parametrize("how", ["", "[]", "deep", "fifo", "large"], ids=["empty", "list", "deep", "fifo", "large"])
@pytest.mark.parametrize("name", ["run.json", "status.json", "lease.1.json", "../sweeps/x.json"])
def test_one_bad_file_is_named_and_stops_no_verb(
    tmp_path: Path, verb: str, how: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    directory = make_run(tmp_path / "runs", "bad0", State.FINISHED)
    make_run(tmp_path / "runs", "good1", State.FINISHED)
    (directory.parent / "sweeps").mkdir()
    damage(directory, name, how)
    words = [verb, str(tmp_path / "runs")] + (["--filter", "good"] if verb == "wait" else [])
    assert main(words) == 0
    assert name == "lease.1.json" or Path(name).name in caplog.text


@pytest.mark.parametrize("words", [["errors"], ["cancel", "x\x1b[2J"], ["logs", "\x1b[2J"]], ids=lambda words: words[0])
def test_no_verb_passes_on_what_moves_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    make_run(tmp_path / "runs" / "\x1b[31m", "a0", State.FAILED, error="bad \x1b[31m luck")
    main(words)
    told = capsys.readouterr()
    assert "�[" in told.out + told.err
    assert "\x1b" not in told.out + told.err
