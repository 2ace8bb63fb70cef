"""Conditions on runs."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from redo_lab.analysis.where import matching, parse
from redo_lab.runs.table import load
from tests.helpers.studies import make_run

RUNS = pl.DataFrame({
    "id": ["a", "b", "c", "d"],
    "recycler": ["none", "redo", "redo+weight_decay", None],
    "replay_ratio": [0.25, 1.0, 2.0, None],
    "seed": [0, 1, 2, 3],
    "dirty": [True, False, None, False],
    "network.width": [1, 2, 1, 2],
})  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("recycler=redo", "b"),
        ("recycler='redo'", "b"),
        ("recycler != redo", "acd"),
        ("recycler~weight", "c"),
        ("recycler=null", "d"),
        ("recycler!=null", "abc"),
        ("replay_ratio>=1", "bc"),
        ("replay_ratio<1", "a"),
        ("replay_ratio=1.0", "b"),
        ("!(replay_ratio<1)", "bcd"),
        ("seed=0|seed=3 & recycler=null", "ad"),
        ("(seed=0|seed=3) & recycler=null", "d"),
        ("!seed=0 & !seed=1", "cd"),
        ("dirty=true", "a"),
        ("network.width=2", "bd"),
        ('id="c"', "c"),
    ],
)
def test_conditions_keep_the_runs_they_say(condition: str, kept: str) -> None:
    assert "".join(RUNS.filter(parse(condition, RUNS))["id"]) == kept


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("recyclr=redo", "no column 'recyclr', did you mean 'recycler'"),
        ("replay_ratio=high", "replay_ratio is a number, got 'high'"),
        ("dirty=1", "dirty is true or false, got '1'"),
        ("recycler", "expected =, !=, <, <=, >, >= or ~ after recycler at character 9"),
        ("recycler=", "expected a value at character 10"),
        ("recycler==redo", "'==' at character 9 is written '='"),
        ("seed=1 && recycler=redo", "'&&' at character 8 is written '&'"),
        ("(seed=1", "a bracket is not closed at character 8"),
        ("seed=1 seed=2", "expected & or | at character 8"),
        ("seed=1 &", "expected the name of a column at character 9"),
        ("seed&1", "expected =, !=, <, <=, >, >= or ~ after seed at character 5"),
        ("id='c", "what is this at character 4: 'c"),
    ],
)
def test_what_cannot_be_understood_is_said(condition: str, message: str) -> None:
    with pytest.raises(ValueError, match="--where") as raised:
        parse(condition, RUNS)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_setting_that_all_runs_share_can_be_asked_for(tmp_path: Path) -> None:
    for seed in range(2):
        make_run(tmp_path, "none", "pong", seed, [1.0], settings={"network": {"width": 2.0}})
    table = load([tmp_path])
    assert "network.width" not in table.runs.columns
    assert matching("network.width=2 & seed=1", table).runs["run_id"].to_list() == ["none-pong-1"]
    assert matching("network.width<2", table).runs.is_empty()


def test_an_unknown_name_is_a_mistake_or_null() -> None:
    with pytest.raises(ValueError, match="no column 'absent'"):
        parse("absent=1", RUNS)
    for condition, kept in (("absent=null", True), ("absent!=x", True), ("absent=x", False), ("absent<1", False),
                            ("absent~x", False), ("absent!=null", False)):  # fmt: skip
        assert RUNS.filter(parse(condition, RUNS, absent=True)).height == (RUNS.height if kept else 0), condition
