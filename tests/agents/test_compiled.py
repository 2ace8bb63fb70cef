"""agent.compile=default: the numbers of an eager update but for rounding, compiled once a run whatever happens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from tests.helpers.agents import batches, through_a_file, tiny
from tests.helpers.interventions import LEARNERS, Trial, built

UPDATES = 8
FAST = {"dqn minatar full": 1, "sac mlp": 2}
"""Learner → the pure parts of its update, each compiled once."""


@pytest.fixture
def fresh_dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture
def traced_only(fresh_dynamo: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced and differentiated as for any backend, but run by PyTorch's own kernels, without a C++ compiler."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def compiled_trial(learner: str, monkeypatch: pytest.MonkeyPatch) -> Trial:
    agent, network, settings = LEARNERS[learner]
    monkeypatch.setitem(LEARNERS, "compiled", (agent, network, {**settings, "compile": "default"}))
    return Trial("compiled", "layer", INTERVENED)


def assert_close(found: list[dict[str, float]], expected: list[dict[str, float]], rel: float) -> None:
    for step, (row, other) in enumerate(zip(found, expected, strict=True), start=1):
        assert row == pytest.approx(other, rel=rel, abs=rel), f"update {step}"


def probed(trial: Trial) -> dict[str, float]:
    """An update, its interventions, and passes on batches of other sizes as probes and recyclers make them."""
    (row,) = trial.run(1)
    for size in (3, 64):
        batch = trial.batch()._replace(**{k: v[:1].repeat(size, *[1] * (v.dim() - 1)) for k, v in _fields(trial)})
        trial.agent.forward(batch)
        trial.agent.q_and_target(batch)
    trial.agent.end_env_step(1_000_000)
    return row


def _fields(trial: Trial) -> list[tuple[str, torch.Tensor]]:
    return list(trial.batch()._asdict().items())


@pytest.mark.usefixtures("traced_only")
@pytest.mark.parametrize("learner", FAST)
def test_each_pure_part_is_compiled_once_a_run(learner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [probed(trial) for trial in [Trial(learner, "layer", INTERVENED)] for _ in range(UPDATES)]
    trial = compiled_trial(learner, monkeypatch)
    found = [probed(trial)]
    once = counters["frames"]["ok"]
    # What measures coverage adds frames of its own; `make test-slow`, which measures none, has the exact number.
    assert once == FAST[learner] or (once > FAST[learner] and sys.gettrace() is not None)
    while len(found) < UPDATES:
        found.append(probed(trial))
        assert counters["frames"]["ok"] == once
    assert not counters["graph_break"]
    trial.load_state_dict(through_a_file(trial.state_dict()))
    probed(trial)
    assert counters["frames"]["ok"] == once
    assert_close(found, expected, rel=1e-6)


INTERVENED = ("redo", "prune", "reset_all", "l2_init", "weight_decay")


@pytest.mark.usefixtures("traced_only")
@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_bfloat16_compiles_too(name: str) -> None:
    eager, fast = tiny(name, precision="bf16"), tiny(name, precision="bf16", compile="default")
    for batch in batches(name, 2):
        expected = {metric: value.item() for metric, value in eager.update(batch).items()}
        found = {metric: value.item() for metric, value in fast.update(batch).items()}
        assert found == pytest.approx(expected, rel=0.02, abs=0.02)
    assert not counters["graph_break"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # by Inductor itself
@pytest.mark.usefixtures("fresh_dynamo")
@pytest.mark.parametrize("name", ["dqn", "drq_eps", "sac"])
def test_compiled_losses_are_those_of_an_eager_update(name: str) -> None:
    """By Inductor, within 1e-4: it sums in another order."""
    eager, fast = tiny(name), tiny(name, compile="default")
    for step, batch in enumerate(batches(name, UPDATES), start=1):
        expected = {metric: value.item() for metric, value in eager.update(batch).items()}
        found = {metric: value.item() for metric, value in fast.update(batch).items()}
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5), f"update {step}"
    assert counters["frames"]["ok"] == (2 if name == "sac" else 1)


def test_off_is_the_agents_own_update() -> None:
    agent: Any = built("dqn minatar full", "none")
    assert agent._updating == agent._update
    assert agent._loss_and_values == agent.loss_and_values
