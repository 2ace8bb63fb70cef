"""What methods are called where recyclers and regularisers both vary, and in runs that know no regulariser."""

from __future__ import annotations

from pathlib import Path

from redo_lab.analysis.methods import add_method
from redo_lab.runs.table import load
from tests.helpers.studies import make_run

CELLS = [("none", "none"), ("redo", "none"), ("none", "weight_decay"), ("redo", "l2_init+weight_decay")]


def test_by_recycler_means_every_intervention_and_the_idle_ones_are_not_named(tmp_path: Path) -> None:
    for recycler, regulariser in CELLS:
        make_run(tmp_path, recycler, "pong", 0, [1.0], regulariser=regulariser)
    named = add_method(load([tmp_path]), ["recycler"])
    methods = dict(zip(zip(named["recycler"], named["regulariser"], strict=True), named["method"], strict=True))
    assert [methods[cell] for cell in CELLS] == ["none", "redo", "weight_decay", "redo, l2_init+weight_decay"]
    assert named["method"][0] == "none"
    assert add_method(load([tmp_path]), None)["method"].to_list() == named["method"].to_list()


def test_runs_of_before_that_had_no_regulariser_are_of_the_same_methods(tmp_path: Path) -> None:
    make_run(tmp_path, "redo", "pong", 0, [1.0])
    make_run(tmp_path, "none", "qbert", 1, [1.0], regulariser="none")
    make_run(tmp_path, "redo", "qbert", 1, [1.0], regulariser="none")
    named = add_method(load([tmp_path]), ["recycler"])
    assert named["method"].to_list() == ["none", "redo", "redo"]
