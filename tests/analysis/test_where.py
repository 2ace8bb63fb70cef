"""Conditions on runs."""

from __future__ import annotations

import polars as pl
import pytest

from redo_lab.analysis.where import parse

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
