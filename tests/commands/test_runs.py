"""redo-lab runs: chosen, shown, exported."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from redo_lab.cli import main
from tests.helpers.studies import make_grid, make_run


@pytest.fixture(autouse=True)
def _grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_grid(tmp_path / "runs")
    make_run(tmp_path / "runs", "redo", "qbert", 0, [5.0, 7.5], state="failed", error="no\nmore")


def shown(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_row_per_run_with_what_varies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--where", "recycler=redo & !(game=breakout)", "--sort", "return"]) == 0
    assert shown(capsys) == [
        ["3", "runs"],
        ["run_id", "state", "steps", "return", "game", "seed"],
        ["redo-qbert-0", "failed", "250/1000", "7.5", "qbert", "0"],
        ["redo-pong-0", "finished", "1000/1000", "85.2", "pong", "0"],
        ["redo-pong-1", "finished", "1000/1000", "120.5", "pong", "1"],
    ]


def test_a_setting_of_a_part_that_some_runs_lack_is_shown_where_the_others_differ_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "some"
    make_run(root, "none", "pong", 0, [1.0, 2.0])
    make_run(root, "redo", "pong", 0, [3.0, 4.0], settings={"recyclers": {"redo": {"threshold": 0.1}}})
    assert main(["runs", "some", "--sort", "return"]) == 0
    assert shown(capsys)[1] == ["run_id", "state", "steps", "return", "recycler"]
    make_run(root, "redo", "pong", 1, [5.0, 6.0], settings={"recyclers": {"redo": {"threshold": 0.2}}})
    assert main(["runs", "some", "--sort", "return"]) == 0
    assert shown(capsys)[1:] == [
        ["run_id", "state", "steps", "return", "recycler", "seed", "recyclers.redo.threshold"],
        ["none-pong-0", "finished", "1000/1000", "2", "none", "0", "–"],
        ["redo-pong-0", "finished", "1000/1000", "4", "redo", "0", "0.1"],
        ["redo-pong-1", "finished", "1000/1000", "6", "redo", "1", "0.2"],
    ]


def test_lengths_are_sorted_by_their_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, steps in enumerate((1000, 10_000, 9_000, 400)):
        make_run(tmp_path / "lengths", "redo", "pong", seed, [1.0], steps=steps)
    assert main(["runs", "lengths", "--sort", "steps"]) == 0
    assert [line[2] for line in shown(capsys)[2:]] == ["400/400", "1000/1000", "9000/9000", "10k/10k"]
    for run in (tmp_path / "lengths").iterdir():
        content = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**content, "unit": "updates"}))
    assert main(["runs", "lengths", "--sort", "progress"]) == 0
    assert [line[2] for line in shown(capsys)[2:]] == ["400/400", "1000/1000", "9000/9000", "10k/10k"]
    assert main(["runs", "lengths", "--metric", "evaluation/return_mean", "--sort", "env_steps"]) == 0
    assert [line[1] for line in shown(capsys)[2:]] == ["400", "1000", "9000", "10000"]


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_every_line_fits_the_terminal_and_says_what_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    for seed in (0, 1):
        settings = {"agent": {"learning_rate": 10.0**-seed}, "recyclers": {"redo": {"threshold": 0.1 * seed}}}
        make_run(tmp_path / "runs" / "long", "redo_scheduled", "space_invaders", seed, [1e4], settings=settings)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["runs"]) == 0
    count, head, *rows = capsys.readouterr().out.splitlines()
    assert max(map(len, (count, head, *rows))) <= columns
    assert head.split()[:4] == ["run_id", "state", "steps", "return"]
    assert rows[-1].startswith("no room for ") == (columns < 200)
    ids = [row.split()[0] for row in rows if "finished" in row]
    assert len(set(ids)) == len(ids) == 10
    assert ("redo_scheduled-space_invaders-1" in ids) == (columns == 200)


def test_columns_that_were_asked_for_are_all_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["runs", "--where", "game=qbert", "--columns", "directory", "game", "seed", "state", "error"]) == 0
    head, row = shown(capsys)[1:]
    assert head == ["directory", "game", "seed", "state", "error"]
    assert row[0].endswith("redo-qbert-0")
    assert row[1:] == ["qbert", "0", "failed", "no"]


def test_columns_and_metrics_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "runs", "--columns", "run_id", "error", "--where", "state=failed"]) == 0
    assert shown(capsys)[1:] == [["run_id", "error"], ["redo-qbert-0", "no"]]
    assert main(["runs", "--metric", "evaluation/return_mean", "--where", "game=qbert"]) == 0
    assert shown(capsys) == [
        ["2", "values"],
        ["run_id", "env_steps", "updates", "name", "value"],
        ["redo-qbert-0", "100", "100", "evaluation/return_mean", "5"],
        ["redo-qbert-0", "200", "200", "evaluation/return_mean", "7.5"],
    ]


@pytest.mark.parametrize(("ending", "read"), [("csv", pl.read_csv), ("parquet", pl.read_parquet)])
def test_exports_hold_everything(tmp_path: Path, ending: str, read: type) -> None:
    assert main(["runs", "-o", f"out/runs.{ending}"]) == 0
    table = read(tmp_path / "out" / f"runs.{ending}")
    assert table.height == 9
    assert {"directory", "commit", "planned", "unit", "recycler", "seed", "percent", "return"} <= set(table.columns)
    assert main(["runs", "-o", f"out/values.{ending}", "--metric", "all"]) == 0
    values = read(tmp_path / "out" / f"values.{ending}")
    assert values.height == 8 * 10 * 4 + 2 * 4
    best = values.filter((pl.col("name") == "evaluation/return_mean") & (pl.col("game") == "pong"))["value"].max()
    assert best == pytest.approx(-20.7 + 35.3 * 4)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such directory"),
        (["--columns", "recycle"], "no column 'recycle', did you mean 'recycler'?"),
        (["--sort", "retrun"], "no column 'retrun', did you mean 'return'?"),
        (["--metric", "evaluation/return"], "no metric 'evaluation/return', did you mean 'evaluation/return_mean'?"),
        (["--where", "seed>"], "expected a value"),
        (["--where", "seed>7"], "no run of 9 fulfils --where"),
        (["-o", "runs.xlsx"], "must end with .csv or .parquet"),
        (["runs", "--from", "wandb:a/b"], "--from in place of RUNS"),
    ],
)
def test_mistakes_end_with_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", *words]) == 2
    assert said in capsys.readouterr().err
