"""Run directories with files that are damaged, hostile or of another version."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from redo_lab.runs.table import find_runs, load
from tests.helpers.run_files import HEADER, make_run, rewrite


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def sparse(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(20 * 2**30)


FIELDS = '"run_id": "a", "experiment": "e", "axes": {}, "env_steps": 1'
DEEP = '{"a":' * 990 + "1" + "}" * 990
DAMAGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_text(""),
    "half": lambda path: path.write_text("{"),
    "a list": lambda path: path.write_text("[]"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "nested": lambda path: path.write_text('{"axes":' * 100_000),
    "nested in bounds": lambda path: path.write_text(f'{{{FIELDS}, "settings": {DEEP}}}'),
    "a FIFO": fifo,
    "too large": sparse,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["run.json", "status.json", "metrics.csv"])
def test_a_damaged_file_is_named_and_the_other_runs_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str, name: str
) -> None:
    values = HEADER + "10,2,loss,0.5\n"
    make_run(tmp_path / "a", values, seed=1)
    whole = make_run(tmp_path / "b", values, seed=2)
    DAMAGES[damage](tmp_path / "a" / name)
    if damage == "a folder" and name == "run.json":
        assert find_runs([tmp_path]) == [whole]
        return
    table = load([tmp_path])
    read = {row["directory"]: row for row in table.runs.iter_rows(named=True)}
    assert read[str(whole)]["state"] == "finished"
    assert table.values()["directory"].to_list().count(str(whole)) == 1
    quiet = {("status.json", "nested in bounds"), ("metrics.csv", "nothing"), ("metrics.csv", "half"),
             ("metrics.csv", "a list"), ("metrics.csv", "no text"), ("metrics.csv", "nested in bounds")}  # fmt: skip
    if (name, damage) not in quiet:
        assert str(tmp_path / "a" / name) in caplog.text
    if name == "run.json":
        assert list(read) == [str(whole)]
    elif name == "status.json":
        assert read[str(tmp_path / "a")]["state"] == "unknown"
    else:
        assert table.values()["directory"].to_list() == [str(whole)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run_id": None}, "'run_id' must be text, got None"),
        ({"experiment": 3}, "'experiment' must be text, got 3"),
        ({"axes": [1]}, r"'axes' must be an object, got \[1\]"),
        ({"env_steps": "many"}, "'env_steps' must be a whole number ≥ 0, got 'many'"),
        ({"total": 2**70}, "'total' must be a whole number ≥ 0"),
        ({"unit": {}}, "'unit' must be text"),
    ],
)
def test_what_is_wrong_with_a_run_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, object], said: str
) -> None:
    run = make_run(tmp_path / "a")
    rewrite(run / "run.json", **change)
    with pytest.raises(ValueError, match="none of 1 runs can be understood"):
        load([tmp_path])
    assert re.search(f"{re.escape(str(run / 'run.json'))}: {said}", caplog.text)


def test_an_unknown_field_or_state_of_a_status_is_no_hindrance(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    rewrite(run / "status.json", from_the_future=[1, 2])
    assert load([run]).runs["state"].to_list() == ["finished"]
    rewrite(run / "status.json", state="paused")
    assert load([run]).runs["state"].to_list() == ["unknown"]


def test_what_a_table_cannot_hold_becomes_text(tmp_path: Path) -> None:
    hostile = {
        "seed": 10**30,
        "game": "a\x1b[31mb\nc\ud800",
        "width": {"a": [1]},
        "method": 1,
        "value": 2,
        "unit": "/",
    }
    run = make_run(tmp_path / "a", HEADER + "10,2,loss,0.5\n", **hostile)
    table = load([run])
    assert table.axes == ("seed", "game", "width")
    row = table.runs.row(0, named=True)
    assert (row["seed"], row["game"], row["width"]) == (str(10**30), "a�[31mb c�", '{"a": [1]}')
    assert row["unit"] == "agent steps"
    assert table.metrics()["value"].to_list() == [0.5]


def test_a_folder_whose_name_is_no_text_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = make_run(tmp_path / "b")
    make_run(tmp_path / "a").rename(tmp_path / os.fsdecode(b"\xff"))
    assert load([tmp_path]).runs["directory"].to_list() == [str(whole)]
    assert "�" in caplog.text


@pytest.mark.parametrize("torn", ["30,6,lo", "30", "30,6,loss,0.2"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: str) -> None:
    make_run(tmp_path / "a", HEADER + "10,2,loss,0.5\n20,4,loss,0.4\n" + torn, seed=1)
    assert load([tmp_path]).metrics()["env_steps"].to_list() == [10, 20]


@pytest.mark.parametrize("lines", ["10,2,loss,high\n", f"{2**80},2,loss,1.0\n", "\0" * 20_000])
def test_a_file_that_is_not_metrics_is_named_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lines: str
) -> None:
    make_run(tmp_path / "a", HEADER + lines, seed=1)
    make_run(tmp_path / "b", HEADER + "10,2,loss,0.5\n", seed=2)
    assert load([tmp_path]).metrics()["seed"].to_list() == [2]
    assert f"{tmp_path / 'a' / 'metrics.csv'}: not a metrics file" in caplog.text
