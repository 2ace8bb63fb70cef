"""Run directories become tables."""

from __future__ import annotations

import json
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
        "state": "finished",
        "env_steps": 60,
        "planned_env_steps": 100,
        "updates": 15,
        "error": None,
        "commit": None,
        "dirty": None,
        "versions": None,
        "game": "pong",
        "seed": 3,
        "replay_ratio": 1.0,
        "width": None,
    }
    assert (second["state"], second["env_steps"], second["replay_ratio"], second["width"]) == ("pending", 0, 0.5, 2)


def test_an_axis_of_words_and_numbers_is_text(tmp_path: Path) -> None:
    make_run(tmp_path / "a", period=100)
    make_run(tmp_path / "b", period="never")
    assert load([tmp_path]).runs["period"].to_list() == ["100", "never"]


def test_broken_json_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    (run / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json: not valid JSON"):
        load([tmp_path])
    (run / "run.json").write_text("[]")
    with pytest.raises(ValueError, match=r"run\.json: must hold a JSON object, got list"):
        load([tmp_path])
    (run / "run.json").write_text('{"run_id": "a"}')
    with pytest.raises(ValueError, match=r"run\.json: has no 'experiment'"):
        load([tmp_path])


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


def test_a_file_that_is_not_metrics_is_named(tmp_path: Path) -> None:
    make_run(tmp_path / "a", HEADER + "10,2,loss,high\n", seed=1)
    with pytest.raises(ValueError, match=r"a/metrics\.csv: not a metrics file"):
        load([tmp_path]).metrics()


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
