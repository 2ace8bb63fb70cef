"""Run directories become tables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from redo_lab.runs import cache
from redo_lab.runs.table import find_runs, load

HEADER = "env_steps,updates,name,value\n"


def make_run(directory: Path, metrics: str | None = HEADER, state: str | None = "finished", **axes: object) -> Path:
    directory.mkdir(parents=True)
    run = {"run_id": directory.name, "experiment": directory.parent.name, "axes": axes, "env_steps": 100}
    (directory / "run.json").write_text(json.dumps(run))
    if state:
        status = {"state": state, "env_steps": 60, "updates": 15, "error": None}
        (directory / "status.json").write_text(json.dumps(status))
    if metrics is not None:
        (directory / "metrics.csv").write_text(metrics)
    return directory


def test_runs_are_found_from_a_run_an_experiment_or_a_root_each_once(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "e1" / "a"), make_run(tmp_path / "e1" / "b"), make_run(tmp_path / "e2" / "a")]
    assert find_runs([tmp_path]) == runs
    assert find_runs([tmp_path / "e1"]) == runs[:2]
    assert find_runs([runs[1]]) == [runs[1]]
    assert find_runs([runs[1], tmp_path]) == [runs[1], runs[0], runs[2]]


def test_a_path_without_runs_or_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: holds no runs"):
        find_runs([tmp_path / "empty"])
    with pytest.raises(ValueError, match=r"absent: no such directory"):
        find_runs([tmp_path / "absent"])
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"file: not a directory"):
        find_runs([tmp_path / "file"])


def test_a_run_is_one_row_with_its_axes(tmp_path: Path) -> None:
    make_run(tmp_path / "e" / "a", game="pong", seed=3, replay_ratio=1)
    make_run(tmp_path / "e" / "b", game="pong", seed=4, replay_ratio=0.5, width=2, state=None)
    table = load([tmp_path])
    assert table.axes == ("game", "seed", "replay_ratio", "width")
    first, second = table.runs.iter_rows(named=True)
    assert first == {
        "directory": str(tmp_path / "e" / "a"),
        "run_id": "a",
        "experiment": "e",
        "study": "online",
        "state": "finished",
        "done": 60,
        "planned": 100,
        "unit": "agent steps",
        "clock": "env_steps",
        "scored_by": "evaluation/return_mean",
        "score_word": "return",
        "higher_is_better": True,
        "updates": 15,
        "error": None,
        "commit": None,
        "dirty": None,
        "code": "unknown",
        "versions": None,
        "game": "pong",
        "seed": 3,
        "replay_ratio": 1.0,
        "width": None,
    }
    assert (second["state"], second["done"], second["replay_ratio"], second["width"]) == ("pending", 0, 0.5, 2)


def test_an_axis_of_words_and_numbers_is_text(tmp_path: Path) -> None:
    make_run(tmp_path / "a", period=100)
    make_run(tmp_path / "b", period="never")
    assert load([tmp_path]).runs["period"].to_list() == ["100", "never"]


def test_a_run_of_another_study_says_what_it_counts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", data="digits", targets="shuffled", seed=1)
    words = {"study": "supervised", "total": 30, "unit": "epochs", "clocks": {"env_steps": "samples"}}
    rewrite(run / "run.json", **words)
    rewrite(run / "status.json", done=12, total=30, unit="epochs", headline={"accuracy": 0.5}, phase="training")
    (row,) = load([run]).runs.iter_rows(named=True)
    assert [row[name] for name in ("study", "done", "planned", "unit", "clock")] == [
        "supervised", 12, 30, "epochs", None
    ]  # fmt: skip
    rewrite(run / "run.json", clocks={"env_steps": "samples", "updates": "epochs"})
    assert load([run]).runs["clock"].to_list() == ["updates"]


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


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


def test_the_code_of_every_attempt_is_known(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    rewrite(run / "run.json", git={"commit": "c0ffee", "dirty": False})
    lines = [
        '{"commit": "c0ffee", "dirty": false}',
        '{"git": {"commit": "decaf", "dirty": true}}',
        "{",
        '{"host": "x"}',
    ]
    (run / "attempts.jsonl").write_text("\n".join(lines))
    row = load([run]).runs.row(0, named=True)
    assert (row["commit"], row["code"]) == ("c0ffee", "c0ffee, then decaf with uncommitted changes")
    (run / "attempts.jsonl").unlink()
    os.mkfifo(run / "attempts.jsonl")
    assert load([run]).runs["code"].to_list() == ["c0ffee"]


def test_probes_are_no_setting_of_a_run(tmp_path: Path) -> None:
    for name, tau in (("a", 0.1), ("b", 0.2)):
        rewrite(make_run(tmp_path / name) / "run.json", settings={"probes": {"dormancy": {"tau": tau}}, "lr": tau})
    assert load([tmp_path]).settings == ("lr",)


def test_metrics_are_chosen_by_name_and_prefix_and_joined_with_the_axes(tmp_path: Path) -> None:
    make_run(tmp_path / "a", HEADER + "10,2,loss,0.5\n10,2,dormant/x,7\n20,4,dormant/y,nan\n", seed=1)
    make_run(tmp_path / "b", HEADER + "10,2,loss,1.5\n", seed=2)
    make_run(tmp_path / "c", None, seed=3)
    table = load([tmp_path])
    assert table.metrics().height == 4
    losses = table.metrics(["loss"])
    assert losses.columns == ["directory", "run_id", "seed", "env_steps", "updates", "name", "value"]
    assert losses.select("seed", "value").rows() == [(1, 0.5), (2, 1.5)]
    dormant = table.metrics(prefixes=["dormant/"])
    assert dormant["name"].to_list() == ["dormant/x", "dormant/y"]
    assert dormant["value"].is_nan().to_list() == [False, True]
    assert table.where(pl.col("seed") > 9).metrics().height == 0


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


def test_settings_that_vary_are_columns_unless_an_axis_says_the_same(tmp_path: Path) -> None:
    for name, width, ratio in (("a", 1, 0.5), ("b", 2, 1.0)):
        run = make_run(tmp_path / name, replay_ratio=ratio)
        content = json.loads((run / "run.json").read_text())
        settings = {"network": {"width": width, "depth": 3}, "training": {"replay_ratio": ratio}, "layers": [1, width]}
        (run / "run.json").write_text(json.dumps(content | {"settings": settings}))
    table = load([tmp_path])
    assert table.settings == ("network.width", "layers")
    assert table.runs["network.width"].to_list() == [1, 2]
    assert table.runs["layers"].to_list() == ["[1, 1]", "[1, 2]"]


def test_what_was_put_aside_is_no_run(tmp_path: Path) -> None:
    make_run(tmp_path / "e" / "a")
    make_run(tmp_path / "e" / "a.old-1")
    assert find_runs([tmp_path]) == [tmp_path / "e" / "a"]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder; every file is worth keeping."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SMALL_BYTES", 0)
    return tmp_path / "cache" / "redo_lab"


def test_the_cache_gives_what_the_file_holds_and_notices_every_change(tmp_path: Path, small: Path) -> None:
    run = make_run(tmp_path / "runs" / "a", HEADER + "10,2,loss,0.5\n10,2,x,0.1\n", seed=1)
    first = load([run]).metrics()
    (kept,) = small.rglob("*.parquet")
    made = kept.stat().st_mtime_ns
    assert load([run]).metrics().equals(first)
    assert load([run]).metrics(["x"])["value"].to_list() == [0.1]
    assert [path.stat().st_mtime_ns for path in small.rglob("*.parquet")] == [made]
    with (run / "metrics.csv").open("a") as file:
        file.write("20,4,loss,0.4\n")
    assert load([run]).metrics(["loss"])["value"].to_list() == [0.5, 0.4]
    # Of the same length, as after a resume.
    (run / "new").write_text(HEADER + "10,2,loss,0.7\n10,2,x,0.1\n20,4,loss,0.4\n")
    (run / "new").replace(run / "metrics.csv")
    assert load([run]).metrics(["loss"])["value"].to_list() == [0.7, 0.4]
    assert len(list(small.rglob("*.parquet"))) == 1


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path: Path, small: Path) -> None:
    small.parent.mkdir()
    small.write_text("in the way")
    run = make_run(tmp_path / "runs" / "a", HEADER + "10,2,loss,0.5\n", seed=1)
    assert load([run]).metrics()["value"].to_list() == [0.5]
