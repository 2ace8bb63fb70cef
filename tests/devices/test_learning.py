"""Updates, recycling and probes of every learner, on every device there is."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

from redo_lab.commands.train import CONF
from redo_lab.config import build
from redo_lab.neurons.surgery import Incoming, Outgoing, StepCount, Surgery, recycle
from redo_lab.state_bytes import decode, encode
from redo_lab.types import Counters, Metrics
from tests.helpers.composing import composed
from tests.helpers.interventions import INTERVENTIONS, Trial, ids
from tests.helpers.tape import storages

LEARNERS = ("dqn minatar full", "sac mlp", "dqn impala full")
UPDATES = 8
PROBES = sorted(file.stem for file in (CONF / "probe").glob("*.yaml") if file.stem != "none")
Near = Callable[[float], Any]


def assert_near(found: list[dict[str, float]], expected: list[dict[str, float]], near: Near) -> None:
    for step, (row, other) in enumerate(zip(found, expected, strict=True), start=1):
        assert row.keys() == other.keys()
        for name, value in row.items():
            assert value == near(other[name]), f"{name} of update {step}"


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_graph_gives_the_losses_of_eager_updates(
    learner: str, device: str, near: Near, graphed: Callable[[Any], Any], graph_settings: dict[str, str]
) -> None:
    eager, recorded = Trial(learner, "layer", device=device), Trial(learner, "layer", device=device, **graph_settings)
    graphed(recorded.agent)
    assert_near(recorded.run(UPDATES), eager.run(UPDATES), near)


@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
def test_a_graph_sees_what_interventions_did(
    interventions: tuple[str, ...],
    device: str,
    near: Near,
    graphed: Callable[[Any], Any],
    graph_settings: dict[str, str],
) -> None:
    """Up to the first neurons recycled after the recording, which rounding may choose differently on CUDA."""
    eager = Trial("sac mlp", "layer", interventions, device=device)
    recorded = Trial("sac mlp", "layer", interventions, device=device, **graph_settings)
    graphed(recorded.agent)
    rows = UPDATES if device == "cpu" else 5
    assert_near(recorded.run(rows), eager.run(rows), near)
    recorded.run(UPDATES)
    assert all(math.isfinite(value) for row in recorded.run(3) for value in row.values())


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
def test_interventions_act_in_place(learner: str, interventions: tuple[str, ...], device: str) -> None:
    trial = Trial(learner, "layer", interventions, device=device)
    trial.run(1)
    before = {name: tensor.data_ptr() for name, tensor in storages(trial.agent).items()}
    trial.run(2)
    trial.agent.end_env_step(1_000_000)
    assert {name: tensor.data_ptr() for name, tensor in storages(trial.agent).items()} == before
    assert all(tensor.device.type == device for tensor in storages(trial.agent).values())


@pytest.mark.parametrize("learner", LEARNERS)
def test_recycled_neurons_are_silent_and_the_others_keep_their_weights(learner: str, device: str) -> None:
    trial = Trial(learner, "none", device=device)
    trial.run(2)
    layers = [layer for layer in trial.agent.hidden_layers() if layer.readers]
    chosen = [torch.arange(0, layer.neurons, 2, device=device) for layer in layers]
    kept = [layer.layer.weight.detach().clone() for layer in layers]
    surgery = Surgery(Incoming.init, Outgoing.zero, True, StepCount.reset)
    recycle(layers, chosen, trial.agent.optimizers, surgery, torch.Generator(device).manual_seed(1))
    for layer, neurons, before in zip(layers, chosen, kept, strict=True):
        weight = layer.layer.weight
        silent = {id(reader.layer) for other in layers for reader in other.readers}
        assert not torch.equal(weight[neurons], before[neurons])
        others = torch.ones(layer.neurons, dtype=torch.bool, device=device)
        others[neurons] = False
        if id(layer.layer) not in silent:
            assert torch.equal(weight[others], before[others])
        for reader in layer.readers:
            columns = reader.layer.weight[:, reader.columns(layer.neurons)].unflatten(1, (layer.neurons, reader.span))
            assert not columns[:, neurons].any()


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_measures_what_it_measures_on_a_cpu(name: str, device: str) -> None:
    found, expected = (_measured(name, where) for where in (device, "cpu"))
    assert found.keys() == expected.keys()
    for metric, value in found.items():
        assert value.device.type == device
        assert value.item() == pytest.approx(expected[metric].item(), rel=1e-3, abs=1e-3), metric


def _measured(name: str, device: str) -> Metrics:
    """On the weights that an agent has at its beginning, which are drawn on the host."""
    trial = Trial("dqn minatar full", "none", device=device)
    node = composed("env=minatar/breakout", "scale=smoke", f"probe={name}")[0]["probes"][name]
    one = build({**node, "period_updates": 1}, f"probes.{name}")
    batch = trial.batch()
    metrics: Metrics = {}
    for update in (1, 2):
        metrics |= one.after_update(trial.agent, Counters(update, update), lambda n: batch)
    return metrics


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
def test_a_saved_and_restored_learner_goes_on_as_if_it_had_never_stopped(
    learner: str, interventions: tuple[str, ...], device: str, near: Near
) -> None:
    trial, resumed = (
        Trial(learner, "layer", interventions, device=device),
        Trial(learner, "layer", interventions, seed=1, device=device),
    )
    trial.run(3)
    resumed.load_state_dict(decode(encode(trial.state_dict()), torch.device(device)))
    assert_near(resumed.run(1), trial.run(1), near)


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_update_waits_for_nothing(
    learner: str, device: str, without_waits: Callable[[], AbstractContextManager[None]]
) -> None:
    trial = Trial(learner, "layer", ("l2_init", "weight_decay"), device=device)
    batch = trial.batch()
    for _ in range(2):
        trial.agent.update(batch, trial.hooks)
    with without_waits():
        trial.agent.update(batch, trial.hooks)
        trial.agent.end_env_step(1_000_000)
