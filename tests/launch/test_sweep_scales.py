"""A sweep at each scale, and a sweep of several sweeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redo_lab.config import ConfigError
from tests.launch.test_sweep_file import values, written

AT = {
    "overrides": {"agent": "dqn"},
    "grid": {"env": ["a", "b"], "seed": "range(2)"},
    "zip": [{"x": [1, 2], "y": [3, 4]}],
    "at": {"laptop": {"overrides": {"length": 7}, "grid": {"env": ["c"]}, "zip": [{"y": [5], "x": [6]}]}},
}


def test_what_a_sweep_says_of_a_scale_holds_there_alone(tmp_path: Path) -> None:
    file = written(tmp_path, AT)
    assert file.jobs(["scale=laptop"], values) == [
        ["agent=dqn", "length=7", "env=c", "seed=0", "y=5", "x=6", "scale=laptop"],
        ["agent=dqn", "length=7", "env=c", "seed=1", "y=5", "x=6", "scale=laptop"],
    ]
    assert len(file.jobs([], values)) == len(file.jobs(["scale=smoke"], values)) == 2 * 2 * 2
    assert file.jobs(["scale=laptop", "env=d", "seed=4"], values) == [
        ["agent=dqn", "length=7", "env=d", "seed=4", "y=5", "x=6", "scale=laptop"]
    ]


def test_the_scale_is_the_files_own_where_no_word_says_it(tmp_path: Path) -> None:
    file = written(tmp_path, AT | {"overrides": {"scale": "laptop"}})
    assert [job[:2] for job in file.jobs([], values)] == [["scale=laptop", "length=7"]] * 2


def test_a_list_that_a_sweep_uses_says_its_own_of_a_scale_and_the_sweep_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "games.yaml").write_text(json.dumps({"grid": {"env": ["a"]}, "at": {"smoke": {"grid": {"seed": [9]}}}}))
    content = {"use": "games", "grid": {"seed": "range(3)"}, "at": {"smoke": {"overrides": {"k": 1}}}}
    assert written(tmp_path, content).jobs(["scale=smoke"], values) == [["k=1", "env=a", "seed=9", "scale=smoke"]]


@pytest.mark.parametrize(
    ("content", "word", "message"),
    [
        ({"at": {"laptop": {"at": {}}}}, "scale=laptop", "unknown key 'at'"),
        ({"at": ["laptop"]}, "scale=laptop", "at must be a mapping of scales"),
        (AT, "scale=laptop,smoke", "one at a time, got laptop, smoke"),
    ],
)
def test_scales_that_cannot_be(tmp_path: Path, content: dict[str, Any], word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        written(tmp_path, content).jobs([word], values)


def test_a_sweep_of_sweeps_has_the_jobs_of_each_with_the_words_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(json.dumps({"overrides": {"experiment": "one"}, "grid": {"seed": [0, 1]}}))
    (tmp_path / "two.yaml").write_text(json.dumps({"overrides": {"experiment": "two"}, "grid": {"seed": [5]}}))
    file = written(tmp_path, {"sweeps": ["one", "two"]})
    assert file.jobs([], values) == [
        ["experiment=one", "seed=0"],
        ["experiment=one", "seed=1"],
        ["experiment=two", "seed=5"],
    ]
    assert file.jobs(["seed=9"], values) == [["experiment=one", "seed=9"], ["experiment=two", "seed=9"]]
    more = written(tmp_path, {"sweeps": ["two"], "grid": {"seed": [7]}})
    assert more.jobs([], values) == [["experiment=two", "seed=5"], ["seed=7"]]


def test_what_is_zipped_takes_the_place_of_an_override(tmp_path: Path) -> None:
    content = {"overrides": {"a": 0, "c": 1}, "zip": [{"a": [1, 2], "b": [3, 4]}]}
    assert written(tmp_path, content).jobs([], values) == [["c=1", "a=1", "b=3"], ["c=1", "a=2", "b=4"]]
