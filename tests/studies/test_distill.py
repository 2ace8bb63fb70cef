"""Distillation: what is fitted to what, where a student begins, refusals, identity, exact resume."""

from __future__ import annotations

import itertools
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from redo_lab import load_agent
from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.figures.base import Source
from redo_lab.analysis.recipes import read
from redo_lab.analysis.score_table import collect
from redo_lab.commands.sweep import SWEEPS
from redo_lab.commands.train import main
from redo_lab.config import ConfigError
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.plan import CheckedRun
from redo_lab.runs import status
from redo_lab.runs.status import State
from redo_lab.runs.table import load
from redo_lab.seeding import Seeds
from redo_lab.state_bytes import decode, encode
from redo_lab.studies.regressor import Regression, Regressor
from redo_lab.studies.updates import Updates
from scripts.stand_ins import stand_ins
from tests.attempt.test_resume import Died, dying_at, final_state, same
from tests.helpers.composing import composed, planned
from tests.helpers.methods import REGULARISERS, WITH_CLASS
from tests.helpers.teachers import changed, teacher
from tests.studies.test_loop import Noted

CPU = torch.device("cpu")
TINY = ["study=distill", "scale=smoke", "network=minatar", "network.width=0.25", "training.updates=8"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With fig8_teachers: a teacher and a source of the seed 0."""
    folder = tmp_path_factory.mktemp("runs")
    teacher(folder)
    teacher(folder, "replay_ratio=1", "training.iterations=1")
    return folder


def run_of(root: Path, replay_ratio: str) -> Path:
    (directory,) = (root / "fig8_teachers").glob(f"*-rr{replay_ratio}-*")
    return directory


def start(root: Path, *words: str, seed: int = 0) -> tuple[Updates, Noted]:
    journal = Noted()
    plain = composed(*TINY, "probe=none", f"root={root}", *words)[0]
    study = CheckedRun.of(plain).study.start(Seeds(seed), CPU, journal)
    assert isinstance(study, Updates)
    return study, journal


def run(study: Updates) -> None:
    for _ in study.steps():
        pass


def weights(study: Updates) -> dict[str, Tensor]:
    (network,) = study.learner.networks()
    return dict(network.online.state_dict())


def values_of(directory: Path, obs: Tensor) -> Tensor:
    """What the agent of that run thinks of `obs`."""
    values: Tensor = load_agent(directory).agent.networks()[0].online(obs)
    return values.detach()


def test_the_whole_config_is_the_paper_s(tmp_path: Path) -> None:
    stand_ins(tmp_path)
    plain = composed("study=distill", "recycler=[redo,reset]", f"root={tmp_path}")[0]
    assert plain["training"] == {"updates": 50_000, "log_period_updates": 100}
    assert plain["network"] == composed("agent=dqn")[0]["network"]
    assert plain["student"] == {"folder": None, "run": None}
    assert plain["probes"]["dormancy"]["period_updates"] == 100
    assert (plain["recyclers"]["redo"]["period_updates"], plain["recyclers"]["redo"]["threshold"]) == (1000, 0.1)
    assert plain["recyclers"]["reset"]["period_updates"] == 10_000
    assert plain["learner"] == {
        "_target_": "redo_lab.studies.regressor.Regressor",
        "learning_rate": 6.25e-5,
        "batch_size": 32,
        "optimizer": {"epsilon": 1.5e-4},
    }


def test_adam_and_the_batch_are_the_teachers_unless_they_are_given(root: Path) -> None:
    study, _ = start(root)
    (group,) = study.learner.optimizers[0].param_groups
    # MinAtar's own numbers, and smoke's batch.
    assert (group["lr"], group["eps"], study.batch_size) == (2.5e-4, 3.125e-4, 32)
    other, _ = start(root, "learner.learning_rate=0.5", "learner.batch_size=7")
    assert (other.learner.optimizers[0].param_groups[0]["lr"], other.batch_size) == (0.5, 7)


def test_targets_are_the_teacher_s_values_of_all_actions_of_what_it_has_seen(root: Path) -> None:
    study, _ = start(root)
    batch = study.sample(50)
    assert batch.obs.shape == (50, 4, 10, 10)
    assert batch.target.shape == (50, 3)
    assert torch.equal(batch.target, values_of(run_of(root, "0.25"), batch.obs))
    assert len(batch.target.unique(dim=0)) > 10
    assert not batch.target.requires_grad


def test_the_loss_is_the_mean_square_over_the_batch_and_all_actions(root: Path) -> None:
    study, _ = start(root)
    assert isinstance(study.learner, Regressor)
    with torch.no_grad():
        study.learner.online.head.weight.zero_()
        study.learner.online.head.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    batch = Regression(study.sample(2).obs, torch.tensor([[1.0, 2.0, 0.0], [0.0, 4.0, 3.0]]))
    # (0 + 0 + 9 + 1 + 4 + 0) / 6
    assert study.learner.update(batch)["train/loss"].item() == pytest.approx(14 / 6)
    # Adam's first step is the learning rate, against the sign of the gradient, as ε is small beside it.
    bias = study.learner.online.head.bias.detach()
    assert bias - torch.tensor([1.0, 2.0, 3.0]) == pytest.approx(2.5e-4 * np.array([-1, 1, -1]), rel=0.01)


def test_the_fit_gets_better(root: Path) -> None:
    study, _ = start(root, "learner.learning_rate=1e-3", "training.updates=300")
    held = study.sample(200)

    @torch.no_grad()
    def error() -> float:
        return float((study.learner.forward(held) - held.target).square().mean())  # type: ignore[operator]

    before = error()
    run(study)
    assert error() < before / 5


def test_a_pretrained_student_begins_as_the_source_ended(root: Path) -> None:
    study, _ = start(root, "student=pretrained")
    obs = study.sample(20).obs
    source = run_of(root, "1")
    assert torch.equal(study.learner.forward(Regression(obs, obs)), values_of(source, obs))  # type: ignore[arg-type]
    saved = final_state(source)["agent"]["online"]
    assert all(torch.equal(tensor, saved[name]) for name, tensor in weights(study).items())
    assert not study.learner.optimizers[0].state_dict()["state"], "Adam's moments begin anew"


def test_random_students_differ_by_the_seed_and_from_the_teacher(root: Path) -> None:
    first, again, other = (weights(start(root, seed=seed)[0]) for seed in (0, 0, 1))
    taught = final_state(run_of(root, "0.25"))["agent"]["online"]
    for name in first:
        assert torch.equal(first[name], again[name])
        if name.endswith("weight"):
            assert not torch.equal(first[name], other[name])
            assert not torch.equal(first[name], taught[name])


def test_the_teacher_stays_as_it_is(root: Path) -> None:
    study, _ = start(root, "recycler=redo", "recyclers.redo.period_updates=1", "learner.learning_rate=0.1")
    obs = study.sample(5).obs
    run(study)
    assert torch.equal(study.sample.func.__self__.teacher(obs), values_of(run_of(root, "0.25"), obs))  # type: ignore[attr-defined]


def test_a_teacher_counts_by_its_id_and_not_by_where_it_lies(root: Path, tmp_path: Path) -> None:
    words = [*TINY, f"root={root}", "student=pretrained", "recycler=redo", "seed=0"]
    moved = {rr: shutil.copytree(run_of(root, rr), tmp_path / rr) for rr in ("0.25", "1")}
    here = planned(*words).run
    elsewhere = planned(*words, f"teacher.folder={moved['0.25']}", f"student.folder={moved['1']}").run
    swapped = planned(*words, f"student.folder={moved['0.25']}").run
    assert here["run_id"].startswith("distill-breakout-pretrained-redo-s0-")
    assert elsewhere == here
    assert swapped["identity"] != here["identity"]
    assert here["settings"]["teacher"] == {"run": run_of(root, "0.25").name}
    assert here["axes"] == {
        **{"student": "pretrained", "source": "dqn-breakout-rr1-none", "teacher": "dqn-breakout-rr0.25-none"},
        **{"game": "breakout", "network": "minatar", "recycler": "redo", "regulariser": "none"},
        **{"scale": "smoke", "seed": 0},
    }
    assert (here["total"], here["unit"], here["scored_by"]) == (8, "updates", "train/loss")
    assert planned(*TINY, f"root={root}").run["axes"]["source"] == "none"


def refusal(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said with exit code 2, before anything is written."""
    assert main([*TINY, "logger=none", f"root={root}", "experiment=refused", *words]) == 2
    assert not (root / "refused").exists()
    return capsys.readouterr().err


def test_without_a_teacher_the_refusal_says_where_one_comes_from(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(tmp_path, capsys)
    assert error.startswith(f"redo-lab train: {tmp_path}/fig8_teachers holds no run with replay ratio 0.25 and seed 0")
    assert "give teacher.folder=RUN, a run's directory; `redo-lab sweep fig8_teachers` makes those of Fig. 8" in error
    assert "give student.folder=RUN" in refusal(root, capsys, "student=pretrained", "seed=1", teaching(root))
    assert "is no directory of a run" in refusal(root, capsys, "teacher.folder=/nowhere")


def teaching(root: Path) -> str:
    return f"teacher.folder={run_of(root, '0.25')}"


def test_a_teacher_or_a_source_with_another_network_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(root, capsys, "network.width=0.5", "network.norm=layer")
    assert error.endswith("has another network than this run: it has network.width=0.25 network.norm=none\n")
    assert "than this run: it has network=minatar " in refusal(root, capsys, "network=nature")
    wide = changed(run_of(root, "1"), tmp_path / "wide", "config.yaml", "width: 0.25", "width: 0.5")
    assert f"student.folder={wide} has another network" in refusal(
        root, capsys, "student=pretrained", f"student.folder={wide}"
    )


def test_a_source_with_other_observations_actions_or_heads_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, old, new, message in (
        ("seaquest", "game: breakout", "game: seaquest", "has observations (10, 10, 10), "),
        ("asterix", "game: breakout", "game: freeway", "has observations (7, 10, 10), "),
        ("dueling", "dueling: false", "dueling: true", "has agent.dueling True, "),
    ):
        other = changed(run_of(root, "1"), tmp_path / name, "config.yaml", old, new)
        error = refusal(root, capsys, "student=pretrained", f"student.folder={other}")
        assert message in error
        assert error.strip().endswith("they must be the same")


def test_a_teacher_without_its_replay_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = teacher(tmp_path, "checkpoint.final_replay=false", "training.iterations=2")
    assert "has no replay in the checkpoint of its end" in refusal(root, capsys, f"teacher.folder={bare}")


def test_a_probe_that_needs_an_agent_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="needs a TDCritic, and Regressor is none"):
        start(root, "probe=[values]")


def train(root: Path, folder: Path, *words: str) -> Path:
    given = [f"teacher.folder={run_of(root, '0.25')}", "logger=none", "threads=1", f"root={folder}"]
    assert main([*TINY, *given, *words]) == 0
    (directory,) = (path.parent for path in folder.rglob("run.json"))
    return directory


def test_a_run_that_died_and_was_asked_for_again_equals_one_that_never_did(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"student.folder={run_of(root, '1')}"
    words = ["student=pretrained", source, "recycler=redo", "regulariser=l2_init", "checkpoint.every_seconds=1e-9"]
    words += ["recyclers.redo.period_updates=2", "training.log_period_updates=1", "probe=[dormancy,norms]"]
    whole = train(root, tmp_path / "whole", *words)
    with dying_at(5, monkeypatch), pytest.raises(Died):
        train(root, tmp_path / "mended", *words)
    for writer in threading.enumerate():
        if writer.name == "checkpoint":
            writer.join()
    mended = train(root, tmp_path / "mended", *words)
    assert "continuing at" in (mended / "log.txt").read_text()
    assert (mended / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert same(final_state(mended), final_state(whole))


def test_a_run_whose_teacher_is_gone_or_another_one_says_so_when_it_is_to_go_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moving = shutil.copytree(run_of(root, "0.25"), tmp_path / "teacher")
    directory = train(root, tmp_path / "runs", f"teacher.folder={moving}", "probe=none")
    capsys.readouterr()
    shutil.rmtree(moving)
    assert main(["--directory", str(directory)]) == 2
    assert f"train: teacher.folder={moving} is no directory of a run" in capsys.readouterr().err
    shutil.copytree(run_of(root, "1"), moving)
    assert main(["--directory", str(directory)]) == 2
    assert f"is now the run {run_of(root, '1').name}; this run has begun with" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_continued_from_a_state_is_the_uninterrupted_one(root: Path, stop: int) -> None:
    words = ["recycler=redo", "recyclers.redo.period_updates=3", "regulariser=l2_init", "probe=[dormancy,overlap]"]
    whole, journal = start(root, *words)
    run(whole)
    first, before = start(root, *words)
    for _ in itertools.islice(first.steps(), stop):
        pass
    second, after = start(root, *words)
    second.load_state_dict(decode(encode(first.state_dict()), CPU))
    run(second)
    assert before.entries + after.entries == journal.entries
    assert same(second.state_dict(), whole.state_dict())


@pytest.mark.parametrize("method", [*WITH_CLASS, *REGULARISERS])
def test_every_method_runs_and_acts(method: str, root: Path) -> None:
    group = "regulariser" if method in REGULARISERS else "recycler"
    node: dict[str, Any] = composed(*TINY, f"root={root}", f"{group}={method}")[0][f"{group}s"][method]
    short = {"period_updates": 2, "period_env_steps": 2, "maturity_updates": 1, "replacement_rate": 0.1}
    words = [f"{group}s.{method}.{key}={value}" for key, value in short.items() if node.get(key) is not None]
    study, journal = start(root, f"{group}={method}", "training.log_period_updates=1", *words)
    run(study)
    assert np.isfinite(list(journal.latest.values())).all()
    acted = {name for _, _, name in journal.entries if name.startswith(f"{method}/")}
    assert acted or method == "weight_decay"


def test_a_run_through_the_command_ends_finished_in_updates(root: Path, tmp_path: Path) -> None:
    directory = train(root, tmp_path, "probe=[dormancy,overlap,norms,rank]")
    end = status.read(directory)
    assert end is not None
    assert (end.state, end.done, end.total, end.unit, end.updates) == (State.FINISHED, 8, 8, "updates", 8)
    assert set(end.headline) == {"loss", "dormant %"}


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
    assert (loss.get_ylabel(), loss.get_yscale(), loss.get_xlabel()) == ("loss", "log", "updates")
    assert (dormant.get_ylabel(), dormant.get_yscale()) == ("dormant (%), τ\u00a0=\u00a00", "linear")
    assert dormant.get_xlabel() == "updates"
    assert loss.get_position().y0 == pytest.approx(dormant.get_position().y0)
    assert set(drawing.data["method"]) == {"random", "pretrained"}
    assert set(drawing.data["metric"]) == {"train/loss", "dormant/total_tau0"}
    drawn = drawing.data.filter((pl.col("metric") == "train/loss") & (pl.col("method") == "random"))
    random = table.runs.filter(pl.col("student") == "random").select("directory")
    logged = table.values(["train/loss"]).join(random, on="directory")
    assert drawn["updates"].to_list() == [2, 4, 6, 8]
    for updates, value in drawn.select("updates", "value").iter_rows():
        assert value == pytest.approx(logged.filter(pl.col("updates") == updates)["value"].mean())
