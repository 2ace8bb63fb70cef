"""Distillation: what is fitted to what, where a student begins, identity."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from redo_lab import load_agent
from redo_lab.runs import status
from redo_lab.runs.status import State
from redo_lab.studies.regressor import Regression, Regressor
from redo_lab.studies.updates import Updates
from scripts.stand_ins import stand_ins
from tests.attempt.test_resume import final_state
from tests.helpers.composing import composed, planned
from tests.helpers.distilling import TINY, run, run_of, start, train
from tests.helpers.methods import REGULARISERS, WITH_CLASS


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
