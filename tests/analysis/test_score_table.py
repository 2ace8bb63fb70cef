"""Runs become a table of scores: methods, games and seeds, and what is left out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.score_table import ScoreTable, collect, final_scores
from redo_lab.analysis.summary import summary_of, write_csv
from redo_lab.runs.table import load
from tests.helpers.studies import make_grid, make_run


def scores_at(root: Path, **options: Any) -> ScoreTable:
    return collect(load([root]), **options)


def test_the_same_seed_gives_the_same_csv(tmp_path: Path) -> None:
    make_grid(tmp_path / "runs", seeds=3)
    scores = scores_at(tmp_path / "runs")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_csv(summary_of(scores, load([tmp_path / "runs"]), ["iqm", "mean"], Resampling(50, seed)), tmp_path / name)
    first, same, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == same
    assert first != other.replace(b",50,rao-wu,false,2,", b",50,rao-wu,false,1,")


def test_rows_of_a_matrix_are_seeds_and_columns_games(tmp_path: Path) -> None:
    make_grid(tmp_path, seeds=3)
    scores = scores_at(tmp_path)
    assert scores.games == ("breakout", "pong")
    assert scores.seeds == {"none": (0, 1, 2), "redo": (0, 1, 2)}
    assert scores.scores["none"] == pytest.approx(pl.DataFrame({"b": [0, 1, 2], "p": [2, 3, 4]}).to_numpy())
    assert scores.scores["redo"] == pytest.approx(pl.DataFrame({"b": [1, 2, 3], "p": [3, 4, 5]}).to_numpy())


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (40, 4)])
def test_a_final_score_is_the_mean_of_the_last_tenth_of_the_evaluations(count: int, kept: int) -> None:
    steps = list(range(count))
    frame = pl.DataFrame(
        {"directory": "a", "env_steps": steps[::-1], "value": [float(step**2) for step in steps[::-1]]}
    )
    assert final_scores(frame)["a"] == pytest.approx(sum(step**2 for step in steps[-kept:]) / kept)


def test_a_game_that_a_method_lacks_is_left_out_of_all(tmp_path: Path) -> None:
    make_grid(tmp_path)
    for seed in range(2):
        make_run(tmp_path, "none", "qbert", seed, [1000.0])
    with pytest.raises(ValueError, match=r"redo · Q\*bert · seed 0: no run"):
        scores_at(tmp_path)
    scores = scores_at(tmp_path, allow_missing=True)
    assert scores.games == ("breakout", "pong")
    assert scores.left_out[2].startswith("none · Q*bert · seed 0: left out, as another method has no usable run")


def test_nothing_in_common_is_refused_even_with_allow_missing(tmp_path: Path) -> None:
    make_run(tmp_path / "games", "none", "pong", 0, [1.0])
    make_run(tmp_path / "games", "redo", "qbert", 0, [1.0])
    with pytest.raises(ValueError, match=r"no game has a usable run of every method \(none: pong; redo: qbert\)"):
        scores_at(tmp_path / "games", allow_missing=True)
    make_run(tmp_path / "seeds", "none", "pong", 0, [1.0])
    make_run(tmp_path / "seeds", "none", "qbert", 1, [1.0])
    with pytest.raises(ValueError, match="'none' has no seed with a usable run of all of pong, qbert"):
        scores_at(tmp_path / "seeds", allow_missing=True)
    make_run(tmp_path / "states", "none", "pong", 0, [1.0])
    make_run(tmp_path / "states", "redo", "pong", 0, [1.0], state="failed")
    with pytest.raises(ValueError, match="'redo' has no usable run at all"):
        scores_at(tmp_path / "states", allow_missing=True)


def test_a_method_is_what_varies_and_baselines_come_first(tmp_path: Path) -> None:
    for recycler in ("cbp", "none"):
        for ratio in (2.0, 0.5):
            make_run(tmp_path, recycler, "pong", 0, [1.0], replay_ratio=ratio)
    assert scores_at(tmp_path).methods == (
        "none, RR 0.5",
        "none, RR 2",
        "cbp, RR 0.5",
        "cbp, RR 2",
    )
    named = scores_at(tmp_path, by=["replay_ratio", "recycler"])
    assert named.methods[0] == "RR 0.5, none"
    with pytest.raises(ValueError, match=r"has 2 runs; they also differ in replay_ratio: add one to --by"):
        scores_at(tmp_path, by=["recycler"])
    with pytest.raises(
        ValueError, match=r"--by replayratio: no such axis or varying setting of a method, did you mean 'replay_ratio'"
    ):
        scores_at(tmp_path, by=["replayratio"])
