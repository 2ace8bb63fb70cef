"""Run directories become tables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from redo_lab.runs.table import find_runs, load
from tests.helpers.run_files import HEADER, make_run, rewrite


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
