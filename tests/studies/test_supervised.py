"""Supervised studies: Table 5's numbers, when labels and order change, evaluation, and exact resume."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.figures.base import Source
from redo_lab.analysis.recipes import read
from redo_lab.analysis.score_table import collect
from redo_lab.commands.sweep import SWEEPS
from redo_lab.commands.train import main
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.plan import CheckedRun
from redo_lab.runs import status
from redo_lab.runs.names import TEST_ACCURACY, TRAIN_ACCURACY
from redo_lab.runs.status import State
from redo_lab.runs.table import load
from redo_lab.seeding import Seeds
from redo_lab.state_bytes import decode, encode
from redo_lab.studies.epochs import Epochs
from tests.attempt.test_resume import Died, dying_at, final_state, same
from tests.helpers.composing import composed, planned
from tests.helpers.journals import Noted
from tests.helpers.methods import REGULARISERS, WITH_CLASS

TINY = ["study=supervised", "scale=smoke", "network.width=0.125", "data.samples=40", "learner.batch_size=16"]
"""Three updates an epoch, the last of 8 images."""
UPDATES = 3


def start(*words: str) -> tuple[Epochs, Noted]:
    journal = Noted()
    study = CheckedRun.of(composed(*TINY, "probe=none", *words)[0]).study.start(Seeds(0), torch.device("cpu"), journal)
    assert isinstance(study, Epochs)
    return study, journal


def run(study: Epochs) -> None:
    for _ in study.steps():
        pass


def after_updates(study: Epochs) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The order and the labels under which each update of the whole run was made."""
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for _ in study.steps():
        if study.counters.updates > len(found):
            found.append((study.order.copy(), study.training.labels.numpy().copy()))
    return found


def test_the_whole_config_is_table_5() -> None:
    plain = composed("study=supervised", "data=cifar10", "targets=shuffled")[0]
    assert plain["training"]["epochs"] == 100
    assert plain["targets"] == {"shuffle_every_epochs": 20}
    assert plain["learner"] == {
        "_target_": "redo_lab.studies.classifier.Classifier",
        "learning_rate": 0.01,
        "momentum": 0.9,
        "batch_size": 256,
    }
    assert plain["data"]["samples"] == 10_000
    assert composed("study=supervised", "data=cifar10")[0]["targets"] == {"shuffle_every_epochs": None}


def test_the_network_is_table_5_s() -> None:
    study, _ = start("network.width=1")
    shapes = [tuple(layer.layer.weight.shape) for layer in study.learner.hidden_layers()]
    assert shapes == [(32, 3, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (128, 64 * 8 * 8)]
    assert [layer.layer.stride for layer in study.learner.hidden_layers()[:3]] == [(1, 1)] * 3  # type: ignore[union-attr]
    assert study.learner.online.head.weight.shape == (10, 128)


def test_periods_of_parts_follow_the_length_of_an_epoch_and_of_the_run() -> None:
    words = ["study=supervised", "data=cifar10", "recycler=[redo,reset,random]", "probe=[dormancy,rank]"]
    plain = composed(*words)[0]
    assert plain["probes"]["dormancy"]["period_updates"] == plain["probes"]["rank"]["period_updates"] == 40
    assert plain["recyclers"]["redo"]["period_updates"] == 40
    assert plain["recyclers"]["reset"]["period_updates"] == 800
    assert plain["recyclers"]["random"]["end_updates"] == 4000


def test_laptop_keeps_all_epochs_and_smoke_shuffles_within_two() -> None:
    laptop, smoke = (composed("study=supervised", "targets=shuffled", f"scale={s}")[0] for s in ("laptop", "smoke"))
    assert (laptop["training"]["epochs"], laptop["targets"]["shuffle_every_epochs"]) == (100, 20)
    assert (smoke["training"]["epochs"], smoke["targets"]["shuffle_every_epochs"]) == (2, 1)


def test_the_run_has_its_own_axes_and_a_path_does_not_change_it() -> None:
    words = ["study=supervised", "data=cifar10", "data.download=true", "targets=shuffled", "recycler=redo", "seed=3"]
    run, moved = planned(*words).run, planned(*words, "data.folder=/elsewhere").run
    assert run["run_id"].startswith("cifar10-shuffled-redo-s3-")
    assert moved["run_id"] == run["run_id"]
    assert run["axes"] == {
        **{"data": "cifar10", "targets": "shuffled", "network": "cifar", "recycler": "redo", "regulariser": "none"},
        **{"scale": "paper", "seed": 3},
    }
    assert (run["total"], run["unit"], run["clocks"]["env_steps"], run["scored_by"]) == (
        *(100, "epochs", "epochs"),
        TRAIN_ACCURACY,
    )


def test_labels_are_shuffled_exactly_after_every_20th_epoch() -> None:
    study, _ = start("targets.shuffle_every_epochs=20", "training.epochs=45", "learner.batch_size=40")
    labels = [labels for _, labels in after_updates(study)]
    changed = [epoch for epoch in range(1, 45) if (labels[epoch] != labels[epoch - 1]).any()]
    assert changed == [20, 40]
    assert [sorted(part) for part in labels] == [sorted(labels[0])] * 45
    assert (labels[40] != labels[0]).any()


def test_fixed_labels_stay() -> None:
    study, _ = start("training.epochs=3")
    first, *_, last = (labels for _, labels in after_updates(study))
    assert (first == last).all()


def test_each_epoch_is_a_permutation_of_its_own_of_all_samples() -> None:
    study, _ = start("training.epochs=4")
    orders = [order for order, _ in after_updates(study)]
    assert all(sorted(order) == list(range(40)) for order in orders)
    epochs = [orders[i : i + UPDATES] for i in range(0, len(orders), UPDATES)]
    assert all((order == epoch[0]).all() for epoch in epochs for order in epoch)
    assert all((a[0] != b[0]).any() for a, b in itertools.combinations(epochs, 2))


def test_every_sample_is_trained_on_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    study, _ = start("training.epochs=1")
    sizes: list[int] = []
    images: list[torch.Tensor] = []
    update = study.learner.update

    def noted(batch: Any, *rest: Any) -> Any:
        sizes.append(len(batch.label))
        images.append(batch.obs)
        return update(batch, *rest)

    monkeypatch.setattr(study.learner, "update", noted)
    run(study)
    assert sizes == [16, 16, 8]
    assert torch.equal(torch.cat(images), study.training.images[torch.from_numpy(study.order)])


def test_evaluation_comes_before_the_interventions_of_its_update_and_none_acts_on_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, journal = start("training.epochs=2")
    events: list[tuple[str, int]] = []
    monkeypatch.setattr(study.aftercare, "measure", lambda counters: events.append(("measure", counters.updates)))
    monkeypatch.setattr(study.aftercare, "intervene", lambda counters: events.append(("intervene", counters.updates)))
    monkeypatch.setattr(journal, "add", lambda counters, values: events.extend((n, counters.updates) for n in values))
    run(study)
    assert [event for event in events if event[0] != "train/loss"] == [
        *(("measure", 1), ("intervene", 1), ("measure", 2), ("intervene", 2)),
        *(("measure", 3), (TRAIN_ACCURACY, 3), (TEST_ACCURACY, 3), ("intervene", 3)),
        *(("measure", 4), ("intervene", 4), ("measure", 5), ("intervene", 5)),
        *(("measure", 6), (TRAIN_ACCURACY, 6), (TEST_ACCURACY, 6)),
    ]


def test_there_is_no_test_accuracy_where_targets_change() -> None:
    study, journal = start("targets=shuffled")
    run(study)
    assert [(epoch, updates) for epoch, updates, name in journal.entries if name == TRAIN_ACCURACY] == [(1, 3), (2, 6)]
    assert TEST_ACCURACY not in journal.latest


def test_accuracy_is_the_percentage_of_images_told_rightly(monkeypatch: pytest.MonkeyPatch) -> None:
    study, journal = start("training.epochs=1")
    monkeypatch.setattr(study.learner, "forward", lambda batch: torch.eye(10)[torch.zeros_like(batch.label)])
    run(study)
    zeros = (study.training.labels == 0).float().mean().item()
    assert journal.latest[TRAIN_ACCURACY] == pytest.approx(100 * zeros)


def test_digits_are_learned_in_a_few_epochs() -> None:
    words = ["data.samples=200", "network.width=0.25", "training.epochs=6", "data.test_samples=100"]
    study, journal = start(*words)
    run(study)
    assert journal.latest[TRAIN_ACCURACY] > 50
    assert journal.latest[TEST_ACCURACY] > 40


@pytest.mark.parametrize("stop", [2, 3, 5, 11])
def test_a_run_continued_from_a_state_within_an_epoch_or_an_evaluation_is_the_uninterrupted_one(stop: int) -> None:
    words = ["targets=shuffled", "training.epochs=4", "recycler=redo", "regulariser=l2_init", "probe=[dormancy,norms]"]
    whole, journal = start(*words)
    run(whole)
    first, before = start(*words)
    for _ in itertools.islice(first.steps(), stop):
        pass
    state = decode(encode(first.state_dict()), torch.device("cpu"))
    second, after = start(*words)
    second.load_state_dict(state)
    run(second)
    assert before.entries + after.entries == journal.entries
    assert after.latest[TRAIN_ACCURACY] == journal.latest[TRAIN_ACCURACY]
    assert same(second.state_dict(), whole.state_dict())


def test_an_evaluation_that_was_cut_off_between_training_and_test_set_is_noted_once() -> None:
    words = ["targets=fixed", "training.epochs=2"]
    whole, journal = start(*words)
    run(whole)
    first, before = start(*words)
    steps = first.steps()
    next(steps)
    # The images of each set are one chunk: the second moment of an evaluation is after those of the test set.
    phases = [first.phase for _ in itertools.islice(steps, UPDATES)]
    assert phases[-2:] == ["evaluation", "evaluation"]
    second, after = start(*words)
    second.load_state_dict(decode(encode(first.state_dict()), torch.device("cpu")))
    run(second)
    assert before.entries + after.entries == journal.entries
    assert same(second.state_dict(), whole.state_dict())


def train(root: Path, *words: str) -> Path:
    assert main([*TINY, "logger=none", "threads=1", f"root={root}", *words]) == 0
    (directory,) = (path.parent for path in root.rglob("run.json"))
    return directory


def test_a_run_that_died_and_was_asked_for_again_equals_one_that_never_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["targets=shuffled", "training.epochs=4", "recycler=redo", "checkpoint.every_seconds=1e-9"]
    whole = train(tmp_path / "whole", *words)
    with dying_at(9, monkeypatch), pytest.raises(Died):
        train(tmp_path / "mended", *words)
    for writer in threading.enumerate():
        if writer.name == "checkpoint":
            writer.join()
    mended = train(tmp_path / "mended", *words)
    assert "continuing at" in (mended / "log.txt").read_text()
    assert (mended / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert same(final_state(mended), final_state(whole))


@pytest.mark.parametrize("method", [*WITH_CLASS, *REGULARISERS])
def test_every_method_runs_and_acts(method: str) -> None:
    group = "regulariser" if method in REGULARISERS else "recycler"
    words = [f"{group}={method}", "network.norm=layer", "training.epochs=4"]
    words += {
        "continual_backprop": ["recyclers.continual_backprop.replacement_rate=0.1"],
        "reset_all": ["recyclers.reset_all.period_env_steps=2"],
    }.get(method, [])
    study, journal = start(*words)
    run(study)
    assert np.isfinite(list(journal.latest.values())).all()
    acted = {name for _, _, name in journal.entries if name.startswith(f"{method}/")}
    assert acted or method == "weight_decay"


def test_a_run_through_the_command_ends_finished_in_epochs(tmp_path: Path) -> None:
    directory = train(tmp_path, "probe=[dormancy,overlap,norms,rank]")
    found = status.read(directory)
    assert found is not None
    assert (found.state, found.done, found.total, found.unit, found.updates) == (State.FINISHED, 2, 2, "epochs", 6)
    assert set(found.headline) == {"accuracy %", "dormant %"}


def test_figure_3_is_drawn_against_epochs_a_curve_for_each_kind_of_targets(tmp_path: Path) -> None:
    for targets in ("fixed", "shuffled"):
        for seed in (0, 1):
            words = [f"targets={targets}", f"seed={seed}", "probe=dormancy", f"root={tmp_path}"]
            assert main([*TINY, "logger=none", "threads=1", *words]) == 0
    table = load([tmp_path])
    recipe = read("fig3").alone
    score_table = collect(table, recipe.by)
    drawing = recipe.kind.draw(Source(score_table, table, Resampling(20, 0)))
    (axes,) = drawing.figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("epochs", "dormant (%), τ\u00a0=\u00a00", "")
    assert {(row["method"], row["env_steps"]) for row in drawing.data.iter_rows(named=True)} == {
        *(("fixed", 1), ("fixed", 2), ("shuffled", 1), ("shuffled", 2))
    }
    last = table.values([TRAIN_ACCURACY]).filter(pl.col("env_steps") == 2)
    assert sorted(score for scores in score_table.scores.values() for score in scores.ravel()) == sorted(last["value"])


@pytest.mark.parametrize(("name", "runs"), [("fig3", 2 * 3), ("fig3_digits", 2 * 5)])
def test_the_sweeps_of_figure_3_have_both_targets_and_all_seeds(name: str, runs: int) -> None:
    jobs = SweepFile.read(SWEEPS / f"{name}.yaml").jobs([], lambda word: [word])
    words = [[word for word in job if not word.startswith("seed")] for job in jobs]
    assert {word for job in words for word in job if "targets" in word} == {"targets=fixed", "targets=shuffled"}
    assert len(jobs) * int(jobs[0][-1].removeprefix("seed=range(").removesuffix(")")) == runs
    for job in words:
        assert CheckedRun.of(composed(*job)[0]).study.unit == "epochs"
