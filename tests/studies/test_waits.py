"""Nothing in training waits for a GPU but the action of a step: seen on a CPU by what is read back or copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from redo_lab.neurons.hooks import Hooks
from redo_lab.plan import CheckedRun
from redo_lab.seeding import Seeds
from redo_lab.studies.loop import Loop
from redo_lab.types import Counters
from tests.helpers.agents import batches, tiny
from tests.helpers.composing import composed
from tests.helpers.methods import REGULARISERS, WITH_CLASS, part, regulariser
from tests.helpers.waits import waits

FAR = {"period_updates": 10**6, "period_env_steps": 10**6, "maturity_updates": 10**6}


def not_due(name: str) -> Any:
    """A recycling method for which nothing is due in these tests."""
    recycler = part(name)
    for key, value in FAR.items():
        if getattr(recycler.config, key, None) is not None:
            setattr(recycler.config, key, value)
    return recycler


class Quiet:
    """A journal that only holds what it is given, as the run's own does until it is flushed."""

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}
        self.values: list[dict[str, Any]] = []

    def add(self, counters: Counters, values: dict[str, Any]) -> None:
        self.values.append(values)

    def give_up(self, reason: str) -> None:
        raise AssertionError(reason)


@pytest.mark.parametrize(
    "wait",
    [
        lambda t: t.item(),
        lambda t: float(t),
        lambda t: bool(t),
        lambda t: t.tolist(),
        lambda t: t.cpu(),
        lambda t: t.to(torch.device("cpu")),
        lambda t: torch.ones(3)[torch.ones(3, dtype=torch.bool)],
        lambda t: torch.ones(3).nonzero(),
        lambda t: torch.tensor([1, 2], device=torch.device("cpu")),
    ],
)
def test_a_wait_is_counted(wait: Callable[[torch.Tensor], object]) -> None:
    scalar = torch.tensor(1.0)
    with waits() as names:
        wait(scalar)
    assert len(names) == 1
    with waits() as names:
        (scalar * 2).to(torch.device("cpu"), non_blocking=True).double()
    assert names == []


@pytest.mark.parametrize("name", ["dqn", "drq_eps", "sac"])
@pytest.mark.parametrize("method", ["none", *WITH_CLASS, *REGULARISERS])
def test_an_update_and_what_is_not_due_after_it_wait_for_nothing(name: str, method: str) -> None:
    agent = tiny(name)
    regularisers = [regulariser(method, agent)] if method in REGULARISERS else []
    recyclers = [not_due(method)] if method in WITH_CLASS else []
    drawn = batches(name, 4)
    hooks = Hooks([(one, lambda n: drawn[3]) for one in regularisers])
    for step, batch in enumerate(drawn[:3], start=1):
        with waits() as names:
            agent.update(batch, hooks)
            for recycler in recyclers:
                recycler.after_update(agent, Counters(step, step), lambda n: drawn[3])
            agent.end_env_step(step * 8000)
        assert names == []


@pytest.mark.parametrize("method", WITH_CLASS)
def test_a_method_that_acts_waits_at_most_once_for_which_neurons_it_is_to_be(method: str) -> None:
    """The masks are fetched together; their positions are then found on the host."""
    agent, recycler, drawn = tiny("dqn"), part(method), batches("dqn", 3)
    for step, batch in enumerate(drawn, start=1):
        agent.update(batch)
        with waits() as names:
            acted = recycler.after_update(agent, Counters(step, step), lambda n: drawn[0])
        by_mask = method in ("redo", "prune")
        assert [name for name in names if name != "aten::nonzero"] == (["cpu"] if by_mask else [])
        assert by_mask or not names
    assert acted


def test_holding_pruned_neurons_at_zero_waits_for_nothing() -> None:
    agent, prune = tiny("dqn"), part("prune")
    batch = batches("dqn", 1)[0]
    agent.update(batch)
    prune.config.period_updates = 2
    assert prune.after_update(agent, Counters(2, 2), lambda n: batch)
    with waits() as names:
        prune.after_update(agent, Counters(3, 3), lambda n: batch)
    assert names == []


@pytest.mark.parametrize(
    ("words", "wait"),
    [
        (
            ["env=minatar/breakout", "network.width=0.25", "agent.epsilon.initial=0", "agent.epsilon.final=0"],
            "aten::_local_scalar_dense",
        ),
        (["env=mujoco/swimmer", "network.width=0.25"], "cpu"),
    ],
    ids=["dqn", "sac"],
)
def test_a_step_of_training_waits_for_its_action_alone(words: list[str], wait: str) -> None:
    """Probes measure, metrics are logged and neurons are looked at every other update."""
    periods = ["shared.probe_period_updates=2", "training.log_period_updates=2", "shared.recycle_period_updates=1000"]
    words = [*words, *periods, "scale=smoke", "recycler=redo", "replay_ratio=1"]
    study = CheckedRun.of(composed(*words)[0]).study
    journal = Quiet()
    loop = study.start(Seeds(0), torch.device("cpu"), journal)  # type: ignore[arg-type]
    assert isinstance(loop, Loop)
    steps = loop.steps()
    while not loop.counters.updates:
        next(steps)
    journal.values.clear()
    for _ in range(8):
        with waits() as names:
            next(steps)
        assert names == [wait]
    assert len(journal.values) > 8
