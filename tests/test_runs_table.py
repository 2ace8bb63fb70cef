"""Run directories become tables."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from redo_lab.runs.table import axes_of, find_runs, load_metrics, load_runs

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
    runs = load_runs([tmp_path])
    assert axes_of(runs) == ["game", "seed", "replay_ratio", "width"]
    first, second = runs.iter_rows(named=True)
    assert first == {
        "directory": str(tmp_path / "e" / "a"),
        "run_id": "a",
        "experiment": "e",
        "state": "finished",
        "env_steps": 60,
        "planned_env_steps": 100,
        "updates": 15,
        "error": None,
        "game": "pong",
        "seed": 3,
        "replay_ratio": 1.0,
        "width": None,
    }
    assert (second["state"], second["env_steps"], second["replay_ratio"], second["width"]) == ("pending", 0, 0.5, 2)


def test_an_axis_of_words_and_numbers_is_text(tmp_path: Path) -> None:
    make_run(tmp_path / "a", period=100)
    make_run(tmp_path / "b", period="never")
    assert load_runs([tmp_path])["period"].to_list() == ["100", "never"]


def test_broken_json_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    (run / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json: not valid JSON"):
        load_runs([tmp_path])
    (run / "run.json").write_text("[]")
    with pytest.raises(ValueError, match=r"run\.json: must hold a JSON object, got list"):
        load_runs([tmp_path])
    (run / "run.json").write_text('{"run_id": "a"}')
    with pytest.raises(ValueError, match=r"run\.json: has no 'experiment'"):
        load_runs([tmp_path])


def test_metrics_are_chosen_by_name_and_prefix_and_joined_with_the_axes(tmp_path: Path) -> None:
    make_run(tmp_path / "a", HEADER + "10,2,loss,0.5\n10,2,dormant/x,7\n20,4,dormant/y,nan\n", seed=1)
    make_run(tmp_path / "b", HEADER + "10,2,loss,1.5\n", seed=2)
    make_run(tmp_path / "c", None, seed=3)
    runs = load_runs([tmp_path])
    assert load_metrics(runs).height == 4
    losses = load_metrics(runs, names=["loss"])
    assert losses.columns == ["directory", "run_id", "seed", "env_steps", "updates", "name", "value"]
    assert losses.select("seed", "value").rows() == [(1, 0.5), (2, 1.5)]
    dormant = load_metrics(runs, prefixes=["dormant/"])
    assert dormant["name"].to_list() == ["dormant/x", "dormant/y"]
    assert dormant["value"].is_nan().to_list() == [False, True]
    assert load_metrics(runs.filter(pl.col("seed") > 9)).height == 0


@pytest.mark.parametrize("torn", ["30,6,lo", "30", "30,6,loss,0.2"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: str) -> None:
    make_run(tmp_path / "a", HEADER + "10,2,loss,0.5\n20,4,loss,0.4\n" + torn, seed=1)
    assert load_metrics(load_runs([tmp_path]))["env_steps"].to_list() == [10, 20]


def test_a_file_that_is_not_metrics_is_named(tmp_path: Path) -> None:
    make_run(tmp_path / "a", HEADER + "10,2,loss,high\n", seed=1)
    with pytest.raises(ValueError, match=r"a/metrics\.csv: not a metrics file"):
        load_metrics(load_runs([tmp_path]))
