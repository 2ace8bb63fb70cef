"""run.json as who watches many runs reads it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from redo_lab.runs import about
from redo_lab.runs.about import About

AXES = {"agent": "dqn", "game": "pong", "replay_ratio": 0.25, "recycler": "redo", "seed": 3}


def write(directory: Path, **changed: object) -> Path:
    directory.mkdir(exist_ok=True)
    values = {"run_id": "a", "name": "dqn pong s3", "axes": AXES, "total": 5, "unit": "epochs", **changed}
    (directory / "run.json").write_text(json.dumps(values))
    return directory


def test_a_run_says_its_name_and_its_length(tmp_path: Path) -> None:
    assert about.read(write(tmp_path)) == About("a", "dqn pong s3", 5, "epochs", AXES)


def test_an_older_one_counts_agent_steps_and_is_named_after_its_axes() -> None:
    old = {"run_id": "a", "axes": AXES, "env_steps": 1000}
    assert about.of(old) == About("a", "dqn pong rr0.25 redo s3", 1000, "agent steps", AXES)


@pytest.mark.parametrize("changed", [{"run_id": 3}, {"axes": []}, {"total": "many"}], ids=["id", "axes", "total"])
def test_what_is_no_value_of_its_kind_is_passed_over_by_name(
    tmp_path: Path, changed: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    assert about.read(write(tmp_path, **changed)) is None
    (line,) = caplog.messages
    assert str(tmp_path / "run.json") in line
    assert next(iter(changed)) in line


def test_empty_or_a_fifo_is_passed_over_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (write(tmp_path / "empty") / "run.json").write_text("")
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "run.json")
    assert [about.read(tmp_path / name) for name in ("empty", "fifo")] == [None, None]
    assert [line.partition("run.json")[0] for line in caplog.messages] == [
        f"{tmp_path / name}/" for name in ("empty", "fifo")
    ]


def test_names_move_no_cursor(tmp_path: Path) -> None:
    run = about.read(write(tmp_path, name="a\x1b[2J\nb"))
    assert run is not None
    assert run.name == "a�[2J b"
