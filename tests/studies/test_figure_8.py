"""Figure 8 of the paper: its teachers, its runs and its drawing."""

from __future__ import annotations

import itertools
from pathlib import Path

import polars as pl
import pytest

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.figures.base import Source
from redo_lab.analysis.recipes import read
from redo_lab.analysis.score_table import collect
from redo_lab.commands.sweep import SWEEPS
from redo_lab.commands.train import main
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.runs.table import load
from tests.helpers.composing import composed
from tests.helpers.distilling import TINY, run_of, teaching


def jobs(name: str) -> list[list[str]]:
    """Of the sweep, at one seed."""
    return SweepFile.read(SWEEPS / f"{name}.yaml").jobs(["seed=0"], lambda word: [word])


def test_the_teachers_are_dqns_of_40m_frames_that_keep_their_replays() -> None:
    agents = [composed(*job)[0] for job in jobs("fig8_teachers")]
    assert [plain["training"]["replay_ratio"] for plain in agents] == [0.25, 1]
    for plain in agents:
        assert plain["training"]["iterations"] * plain["training"]["iteration_env_steps"] * 4 == 40_000_000
        assert plain["checkpoint"]["final_replay"]
        assert plain["env"]["game"] == "DemonAttack"
        assert plain["experiment"] == "fig8_teachers"


def test_figure_8_fits_both_students_to_the_teachers_of_its_seed(root: Path) -> None:
    both = [composed(*job, *TINY[1:], f"root={root}")[0] for job in jobs("fig8")]
    assert [plain["teacher"]["run"] for plain in both] == [run_of(root, "0.25").name] * 2
    assert [plain["student"]["run"] for plain in both] == [None, run_of(root, "1").name]
    assert SweepFile.read(SWEEPS / "fig8.yaml").grid["seed"] == "range(5)"


def test_figure_8_draws_the_loss_beside_the_dormant_neurons_a_curve_for_each_student(
    root: Path, tmp_path: Path
) -> None:
    for student, seed in itertools.product(("random", "pretrained"), ("0", "1")):
        words = [f"student={student}", f"seed={seed}", "probe=dormancy", f"root={tmp_path}"]
        words += [f"student.folder={run_of(root, '1')}"] * (student == "pretrained")
        assert main([*TINY, teaching(root), "logger=none", "threads=1", *words]) == 0
    table = load([tmp_path])
    recipe = read("fig8").alone
    drawing = recipe.kind.draw(Source(collect(table, recipe.by), table, Resampling(20, 0)))
    loss, dormant = drawing.figure.axes
    assert (loss.get_ylabel(), loss.get_yscale(), loss.get_xlabel()) == ("loss", "log", "gradient steps")
    assert (dormant.get_ylabel(), dormant.get_yscale()) == ("dormant (%), τ\u00a0=\u00a00", "linear")
    assert dormant.get_xlabel() == "gradient steps"
    assert loss.get_position().y0 == pytest.approx(dormant.get_position().y0)
    assert set(drawing.data["method"]) == {"random", "pretrained"}
    assert set(drawing.data["metric"]) == {"train/loss", "dormant/total_tau0"}
    drawn = drawing.data.filter((pl.col("metric") == "train/loss") & (pl.col("method") == "random"))
    random = table.runs.filter(pl.col("student") == "random").select("directory")
    logged = table.values(["train/loss"]).join(random, on="directory")
    assert drawn["updates"].to_list() == [2, 4, 6, 8]
    for updates, value in drawn.select("updates", "value").iter_rows():
        assert value == pytest.approx(logged.filter(pl.col("updates") == updates)["value"].mean())
