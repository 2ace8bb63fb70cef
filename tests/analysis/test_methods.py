"""What methods are called where recyclers and regularisers both vary, and in runs that know no regulariser."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.analysis.methods import add_method
from redo_lab.analysis.score_table import collect
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


def methods_of(root: Path) -> list[str]:
    return list(dict.fromkeys(add_method(load([root]), None)["method"]))


def test_variants_of_a_method_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    """A baseline beside two thresholds; the period goes with the threshold and is not named as well."""
    make_run(tmp_path, "none", "pong", 0, [1.0])
    for threshold, period in ((0.1, 1000), (0.2, 2000)):
        settings = {"recyclers": {"redo": {"threshold": threshold, "period": period}}}
        make_run(tmp_path / str(threshold), "redo", "pong", 0, [1.0], settings=settings)
    assert methods_of(tmp_path) == ["none", "redo, threshold 0.1", "redo, threshold 0.2"]


def test_a_learning_rate_is_named_where_it_varies_and_not_where_it_is_the_same(tmp_path: Path) -> None:
    for rate in (1e-3, 1e-4):
        for method in ("none", "redo"):
            settings = {"agent": {"learning_rate": rate}}
            make_run(tmp_path / "runs" / f"{rate}", method, "pong", 0, [1.0], settings=settings)
    assert methods_of(tmp_path) == ["none, lr 0.0001", "none, lr 0.001", "redo, lr 0.0001", "redo, lr 0.001"]
    assert methods_of(tmp_path / "runs" / "0.001") == ["none", "redo"]


def test_layer_normalisation_is_a_method_as_recyclers_are(tmp_path: Path) -> None:
    for norm, method in (("none", "none"), ("none", "redo"), ("layer", "none")):
        make_run(tmp_path / norm, method, "pong", 0, [1.0], settings={"network": {"norm": norm}})
    assert methods_of(tmp_path) == ["none", "layer norm", "redo"]


def test_layer_normalisation_is_a_method_where_no_game_and_seed_has_both(tmp_path: Path) -> None:
    for seed, norm in enumerate(("none", "layer")):
        make_run(tmp_path / norm, "none", "pong", seed, [1.0], settings={"network": {"norm": norm}})
    assert methods_of(tmp_path) == ["none", "layer norm"]
    make_run(tmp_path, "redo", "pong", 2, [1.0], settings={"network": {"norm": "layer"}})
    assert methods_of(tmp_path) == ["none", "layer norm", "redo, layer norm"]
    with pytest.raises(ValueError, match=r"none · Pong · seed 1: no run\n  none · Pong · seed 2: no run\n  layer norm"):
        collect(load([tmp_path]))


def test_replay_ratios_stand_behind_the_interventions(tmp_path: Path) -> None:
    for seed, (norm, ratio) in enumerate([("none", 1.0), ("layer", 1.0), ("layer", 2.0)]):
        settings = {"network": {"norm": norm}}
        make_run(tmp_path / norm, "none", "pong", seed, [1.0], settings=settings, replay_ratio=ratio)
    assert methods_of(tmp_path) == ["none, RR 1", "layer norm, RR 1", "layer norm, RR 2"]


def test_runs_of_before_that_had_no_normalisation_are_of_the_baseline(tmp_path: Path) -> None:
    make_run(tmp_path / "old", "none", "pong", 0, [1.0])
    make_run(tmp_path / "new", "none", "pong", 1, [1.0], settings={"network": {"norm": "none"}})
    make_run(tmp_path / "new", "redo", "pong", 1, [1.0], settings={"network": {"norm": "none"}})
    assert methods_of(tmp_path) == ["none", "redo"]
    make_run(tmp_path / "old", "none", "pong", 1, [1.0])
    assert methods_of(tmp_path) == ["none, new", "none, old", "redo, new"], "what sets the two apart is named"
    with pytest.raises(ValueError, match="none · Pong · seed 1 has 2 runs; they also differ in experiment: add one"):
        add_method(load([tmp_path]), ["recycler"])


def test_settings_of_a_part_are_not_listed_where_the_runs_have_other_parts(tmp_path: Path) -> None:
    make_run(tmp_path, "none", "pong", 0, [1.0], settings={"network": {"width": 1}})
    redo = {"recyclers": {"redo": {"threshold": 0.1, "period": 5}}, "network": {"width": 2}}
    make_run(tmp_path, "redo", "pong", 0, [1.0], settings=redo)
    with pytest.raises(ValueError, match=r"2 runs; they also differ in recycler, network\.width: add one to --by"):
        add_method(load([tmp_path]), ["replay_ratio"])


def test_the_same_runs_in_two_experiments_are_told_apart_by_these(tmp_path: Path) -> None:
    for experiment in ("old", "new"):
        for method in ("none", "redo"):
            make_run(tmp_path / experiment, method, "pong", 0, [1.0])
    assert methods_of(tmp_path) == ["none, new", "none, old", "redo, new", "redo, old"]


def test_a_game_of_two_suites_is_two_methods_by_the_names_of_the_suites(tmp_path: Path) -> None:
    for suite, network in (("atari", 1), ("minatar", 2)):
        make_run(tmp_path, "none", "breakout", 0, [1.0], suite=suite, settings={"network": {"width": network}})
    assert methods_of(tmp_path) == ["none, atari", "none, minatar"]


def test_two_runs_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        make_run(tmp_path / folder / "same", "none", "pong", 0, [1.0])
    with pytest.raises(ValueError, match="none · Pong · seed 0 has 2 runs:"):
        methods_of(tmp_path)
