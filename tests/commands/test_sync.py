"""`redo-lab sync`: W&B's own client uploads offline runs to a stand-in for its server, each row once."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.config import build
from redo_lab.loggers.wandb import login
from redo_lab.runs import wandb_files
from redo_lab.runs.status import State
from redo_lab.types import Row
from tests.helpers.launched import make_run, own
from tests.helpers.tracked import Tracked
from tests.helpers.wandb_server import Server, serving
from tests.loggers.test_wandb import KEY, RUN, node

ROWS = [Row(10 * i, i, {"train/loss": float(i)}) for i in range(1, 5)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    yield from serving(monkeypatch, KEY)


def offline(directory: Path, first: int, last: int) -> None:
    """An offline attempt that logs ROWS[first:last]."""
    run = {**RUN, "run_id": directory.name}
    logger = build(node("wandb_offline"), "logger", directory=directory, run=run, config_tree={})
    attempt = Tracked(directory, logger, kept=first)
    attempt.log(ROWS[first:last])
    attempt.finish("preempted")


def updates(server: Server, name: str) -> list[float]:
    return [row["updates"] for row in server.rows(f"e.{name}")]


def test_attempts_are_uploaded_in_their_order_and_only_once(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, state in (("a0", State.FINISHED), ("a1", State.RUNNING)):
        directory = make_run(tmp_path, name, state)
        offline(directory, 0, 2)
        if state is State.RUNNING:
            own(directory)
    offline(tmp_path / "exp" / "a0", 2, 4)

    assert main(["sync", str(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == ["would upload a0 (2 attempts)", "1 to upload, 1 still running"]
    assert server.history == {}

    assert main(["sync", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"uploaded a0 (2 attempts) → {server.url}/")
    assert lines[1:] == ["1 uploaded, 1 still running"]
    assert updates(server, "a0") == [1, 2, 3, 4]
    assert updates(server, "a1") == []

    assert main(["sync", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 uploaded before, 1 still running\n"
    assert updates(server, "a0") == [1, 2, 3, 4]


def test_what_a_refusing_server_did_not_take_is_uploaded_by_the_next_call(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_run(tmp_path, "a0", State.FINISHED)
    offline(directory, 0, 2)
    offline(directory, 2, 4)
    server.status = 401
    assert main(["sync", str(directory)]) == 1
    printed = capsys.readouterr().out
    assert "not uploaded: a0 (2 attempts): " in printed
    assert "error 401" in printed
    assert KEY not in printed
    server.status = None
    assert main(["sync", str(directory)]) == 0
    assert updates(server, "a0") == [1, 2, 3, 4]


def test_rows_that_are_sent_again_after_a_cut_keep_their_steps_so_that_none_is_new(
    server: Server, tmp_path: Path
) -> None:
    directory = make_run(tmp_path, "a0", State.FINISHED)
    offline(directory, 0, 2)
    offline(directory, 2, 4)
    assert main(["sync", str(directory)]) == 0
    # As if the process had died after the server took the rows and before it was noted.
    for path in wandb_files.files(directory):
        path.with_name(f"{path.name}.synced").unlink()
    assert main(["sync", str(directory)]) == 0
    rows = server.rows("e.a0")
    assert {(row["_step"], row["updates"], row["train/loss"]) for row in rows} == {(i, i + 1, i + 1) for i in range(4)}


def test_two_uploads_at_once_send_nothing_twice(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_run(tmp_path, "a0", State.FINISHED)
    offline(directory, 0, 2)
    (path,) = wandb_files.files(directory)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["sync", str(directory)]) == 1
    assert "another process uploads it" in capsys.readouterr().out
    assert server.history == {}


def test_a_server_that_hangs_is_given_up(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path, "a0", State.FINISHED)
    offline(directory, 0, 1)
    server.hangs = True
    assert main(["sync", str(directory), "--timeout", "1"]) == 1
    assert "no answer in 1 s" in capsys.readouterr().out


def test_mistakes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, reason in (
        ([str(tmp_path)], "holds no offline runs"),
        ([str(tmp_path / "x")], "no such directory"),
        (["-n", "0"], "-n must be ≥ 1"),
    ):
        assert main(["sync", *words]) == 2
        assert reason in capsys.readouterr().err


def test_without_a_key_nothing_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = make_run(tmp_path, "a0", State.FINISHED)
    offline(directory, 0, 1)
    monkeypatch.setattr(login, "problem", lambda: "not logged in")
    assert main(["sync", str(directory)]) == 2
    assert "not logged in; run `wandb login`" in capsys.readouterr().err
