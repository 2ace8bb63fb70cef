"""What holds of every probe that conf/probe offers: it changes nothing, and continues from its state."""

import copy
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from redo_lab.config import build
from redo_lab.types import Counters, Probe
from tests.probes import HandAgent, measure, random_agent, random_sampler

PERIOD = 3
NAMES = sorted(file.stem for file in Path("conf/probe").glob("*.yaml") if file.stem != "none")
SMALL = {"period_updates": PERIOD, "batch_size": 16, "samples": 40, "thresholds": [0.0, 0.8]}


def probe_named(name: str) -> Probe:
    """The probe of conf/probe, with numbers for a test."""
    raw = OmegaConf.to_container(OmegaConf.load(Path("conf/probe") / f"{name}.yaml"), resolve=False)
    assert isinstance(raw, dict)
    node = {str(key): SMALL.get(str(key), value) for key, value in raw.items()}
    return build(node, f"probes.{name}")  # type: ignore[no-any-return]


def everything(agent: HandAgent) -> Any:
    """All that a probe could disturb, copied."""
    parameters = [p for group in agent.optimizers[0].param_groups for p in group["params"]]
    return copy.deepcopy(
        (
            [p.detach() for p in parameters],
            [p.grad for p in parameters],
            agent.optimizers[0].state_dict(),
            torch.get_rng_state(),
            agent.generator.get_state(),
            [dict(layer.activation._forward_hooks) for layer in agent.hidden_layers()],
            [module.training for chain in agent.chains.values() for module in chain.modules()],
            torch.is_grad_enabled(),
        )
    )


def same(one: Any, other: Any) -> bool:
    """Equal bit for bit, through lists, tuples and dicts."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_measuring_changes_nothing(name: str, continuous: bool) -> None:
    probe, agent = probe_named(name), random_agent(continuous)
    training, sample = random_sampler(1), random_sampler(2)
    measured = False
    for updates in range(1, 3 * PERIOD + 1):
        agent.update(training(8))
        before = everything(agent)
        measured |= bool(measure(probe, agent, updates, sample))
        assert same(before, everything(agent)), f"update {updates}"
    assert measured


@pytest.mark.parametrize("name", NAMES)
def test_values_are_finite_scalars_without_gradient_named_group_slash_name(name: str) -> None:
    probe, agent, sample = probe_named(name), random_agent(), random_sampler(2)
    names = []
    for _ in range(2):
        agent.update(random_sampler(1)(8))
    for updates in range(1, 3 * PERIOD + 1):
        agent.update(random_sampler(1)(8))
        metrics = measured_tensors(probe, agent, updates, sample)
        for metric, value in metrics.items():
            assert "/" in metric
            assert "." not in metric
            assert value.shape == ()
            assert not value.requires_grad
            assert value.isfinite()
        names.append(sorted(metrics))
    assert [bool(found) for found in names[-PERIOD:]] == [False] * (PERIOD - 1) + [True]
    assert names[-1] == names[-1 - PERIOD], "a metric appears and disappears"


def measured_tensors(probe: Probe, agent: HandAgent, updates: int, sample: Any) -> dict[str, torch.Tensor]:
    return probe.after_update(agent, Counters(updates=updates), sample)  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", range(1, 2 * PERIOD + 2))
@pytest.mark.parametrize("name", NAMES)
def test_a_restored_probe_continues_identically(name: str, cut: int) -> None:
    whole, interrupted = history(name, None), history(name, cut)
    assert whole == interrupted
    assert any(whole[cut:])


def history(name: str, cut: int | None) -> list[dict[str, float]]:
    """What a probe logs after each update of a training, replaced after update `cut` by one restored from its file."""
    probe, agent = probe_named(name), random_agent()
    training, sample = random_sampler(1), random_sampler(2)
    logged = []
    for updates in range(1, 4 * PERIOD + 1):
        agent.update(training(8))
        logged.append(measure(probe, agent, updates, sample))
        if updates == cut:
            file = io.BytesIO()
            torch.save(probe.state_dict(), file)
            file.seek(0)
            probe = probe_named(name)
            probe.load_state_dict(torch.load(file, weights_only=True))
    return logged
