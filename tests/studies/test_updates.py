"""Learning from a fixed memory: the order of things in a step, what is logged when, and exact resume."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch

from redo_lab.plan import CheckedRun
from redo_lab.seeding import Seeds
from redo_lab.state_bytes import decode, encode
from redo_lab.studies.aftercare import Samplers
from redo_lab.studies.epochs import ExampleSet
from redo_lab.studies.supervised import Supervised
from redo_lab.studies.updates import Lengths, Updates
from tests.attempt.test_resume import same
from tests.helpers.composing import composed
from tests.helpers.journals import Noted

WORDS = ["study=supervised", "scale=smoke", "network.width=0.125", "data.samples=40", "learner.batch_size=16"]
CPU = torch.device("cpu")
PERIOD = 3


def start(*words: str, updates: int = 7, **options: Any) -> tuple[Updates, Noted]:
    """The classifier of digits on a fixed memory of 40 of them."""
    journal = Noted()
    blueprint = CheckedRun.of(composed(*WORDS, "probe=none", *words)[0]).study
    assert isinstance(blueprint, Supervised)
    seeds = Seeds(0)
    learner = blueprint.learner.build(
        obs_shape=(3, 32, 32), classes=10, torso=blueprint.network.build, seeds=seeds, device=CPU
    )
    samplers = Samplers(ExampleSet(blueprint.data.build().load()[0], CPU).draw, seeds)
    study = Updates(
        lengths=Lengths(updates, PERIOD, env_steps_per_update=4),
        learner=learner,
        batch_size=16,
        samplers=samplers,
        aftercare=blueprint.care.start(learner, samplers, seeds, CPU, journal),
        journal=journal,
        **options,
    )
    return study, journal


def run(study: Updates) -> None:
    for _ in study.steps():
        pass


def test_probes_come_before_interventions_and_none_acts_on_the_last_update(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, int]] = []
    study, _ = start(updates=2, end_env_step=lambda env_step: events.append(("target", env_step)))
    monkeypatch.setattr(study.aftercare, "measure", lambda counters: events.append(("measure", counters.updates)))
    monkeypatch.setattr(study.aftercare, "intervene", lambda counters: events.append(("intervene", counters.updates)))
    run(study)
    targets = [("target", env_step) for env_step in range(1, 9)]
    assert events == [("measure", 1), ("intervene", 1), *targets[:4], ("measure", 2), *targets[4:]]


def test_it_yields_after_each_update_and_logs_every_third() -> None:
    study, journal = start()
    done = [study.progress().done for _ in study.steps()]
    assert done == [1, 2, 3, 4, 5, 6, 7]
    assert journal.entries == [(12, 3, "train/loss"), (24, 6, "train/loss")]
    assert study.progress() == (7, 7, "updates", "training")
    assert study.headline() == {"loss": journal.latest["train/loss"]}


def test_loading_is_a_phase_of_its_own_before_the_update_that_needs_it() -> None:
    def loading(updates: int) -> Iterator[None]:
        yield from [None] * (2 if updates == 1 else 0)

    study, _ = start(updates=2, loading=loading)
    assert [(study.progress().done, study.phase) for _ in study.steps()] == [
        (1, "training"),
        (1, "loading"),
        (1, "loading"),
        (2, "training"),
    ]


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_run_continued_from_any_yield_is_the_uninterrupted_one(stop: int) -> None:
    words = ["recycler=redo", "recyclers.redo.period_updates=2", "regulariser=l2_init", "probe=[dormancy,norms]"]
    whole, journal = start(*words)
    run(whole)
    first, before = start(*words)
    for _ in itertools.islice(first.steps(), stop):
        pass
    state: Mapping[str, Any] = decode(encode(first.state_dict()), CPU)
    second, after = start(*words)
    second.load_state_dict(state)
    run(second)
    assert before.entries + after.entries == journal.entries
    assert after.latest == {name: journal.latest[name] for name in after.latest}
    assert same(second.state_dict(), whole.state_dict())
