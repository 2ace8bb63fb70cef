"""What holds of every probe in conf/probe, on every agent: it changes nothing, and continues from its state."""

import copy
import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from redo_lab.config import build
from redo_lab.probes.norms import parameters
from redo_lab.probes.rank import penultimate
from redo_lab.protocols import Agent, Probe
from redo_lab.scaling import register_resolvers
from redo_lab.seeding import Seeds
from redo_lab.types import Box, Counters, Discrete, EnvSpec, Metrics, Sampler, Transition
from tests.helpers.networks import NODES, q_network
from tests.helpers.probes import measure, random_agent, random_sampler

PERIOD, UPDATES = 3, 12
PROBES = sorted(file.stem for file in Path("conf/probe").glob("*.yaml") if file.stem != "none")
AGENTS = ["hand", "hand_continuous", "dqn", "sac"]
SMALL_PROBE = {
    "period_updates": PERIOD,
    "batch_size": 16,
    "batch_sizes": [4, 16],
    "samples": 40,
    "thresholds": [0.0, 0.8],
}
SMALL_AGENT = {"dueling": True, "double": True, "batch_size": 8}
SIZE, ACTIONS = 5, 3
MLP = {"_target_": "redo_lab.networks.mlp.MLP", "hidden": [12, 8], "width": 1.0, "norm": "none", "activation": "relu"}


def shipped(group: str, name: str, **changes: object) -> dict[str, Any]:
    """The node of the part in conf, resolved, with those of its numbers changed that it has."""
    register_resolvers()
    study = OmegaConf.load("conf/study/online.yaml")
    file = OmegaConf.load(Path("conf") / group / f"{name}.yaml")
    scale = OmegaConf.load("conf/scale/paper.yaml").scale
    root = OmegaConf.create({"scale": scale, "shared": study.shared, "node": file.get(group, file)})
    raw = OmegaConf.to_container(root.node, resolve=False)
    assert isinstance(raw, dict)
    root.node = {key: changes.get(str(key), value) for key, value in raw.items()}
    node = OmegaConf.to_container(root.node, resolve=True)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def probe_named(name: str) -> Probe:
    return build(shipped("probe", name, **SMALL_PROBE), f"probes.{name}")  # type: ignore[no-any-return]


def agent_named(name: str) -> Any:
    if name.startswith("hand"):
        return random_agent(continuous=name == "hand_continuous")
    actions = Discrete(ACTIONS) if name == "dqn" else Box((-2.0,) * ACTIONS, (3.0,) * ACTIONS)
    return build(
        shipped("agent", name, **SMALL_AGENT),
        "agent",
        spec=EnvSpec((SIZE,), 1, np.float32, actions, 1),
        torso=partial(build, {**MLP, "initialiser": "xavier_uniform"}, "network"),
        seeds=Seeds(3),
        device=torch.device("cpu"),
    )


def sampler(name: str, seed: int) -> Sampler:
    """Draws for that agent from a generator of their own."""
    if name.startswith("hand"):
        return random_sampler(seed)
    generator = torch.Generator().manual_seed(seed)

    def sample(n: int) -> Transition:
        obs, next_obs = torch.randn((2, n, SIZE), generator=generator)
        discrete = torch.randint(ACTIONS, (n,), generator=generator)
        action = discrete if name == "dqn" else torch.rand((n, ACTIONS), generator=generator)
        return Transition(obs, action, torch.randn(n, generator=generator), torch.full((n,), 0.9), next_obs)

    return sample


def everything(agent: Agent) -> Any:
    """All that a probe could disturb, copied."""
    layers = agent.hidden_layers()
    held = [p for optimizer in agent.optimizers for group in optimizer.param_groups for p in group["params"]]
    return copy.deepcopy(
        (
            agent.state_dict(),
            [p.grad for p in held],
            torch.get_rng_state(),
            list(np.random.get_state()[1]),  # type: ignore[index] # noqa: NPY002
            [(list(layer.activation._forward_hooks), layer.activation.training) for layer in layers],
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
    return bool(np.all(one == other))


@pytest.mark.parametrize("agent_name", AGENTS)
@pytest.mark.parametrize("name", PROBES)
def test_measuring_changes_nothing(name: str, agent_name: str) -> None:
    probe, agent = probe_named(name), agent_named(agent_name)
    training, sample = sampler(agent_name, 1), sampler(agent_name, 2)
    measured = False
    for updates in range(1, UPDATES + 1):
        agent.update(training(8))
        before = everything(agent)
        measured |= bool(measure(probe, agent, updates, sample))
        assert same(before, everything(agent)), f"update {updates}"
    assert measured


@pytest.mark.parametrize("agent_name", AGENTS)
@pytest.mark.parametrize("name", PROBES)
def test_values_are_finite_scalars_without_gradient_always_under_the_same_names(name: str, agent_name: str) -> None:
    probe, agent = probe_named(name), agent_named(agent_name)
    training, sample = sampler(agent_name, 1), sampler(agent_name, 2)
    logged: list[Metrics] = []
    for updates in range(1, UPDATES + 1):
        agent.update(training(8))
        logged.append(probe.after_update(agent, Counters(updates=updates), sample))
    for metric, value in logged[-1].items():
        assert "/" in metric
        assert "." not in metric
        assert value.shape == ()
        assert not value.requires_grad
        assert value.isfinite()
    assert [bool(found) for found in logged[-PERIOD:]] == [False] * (PERIOD - 1) + [True]
    assert logged[-1].keys() == logged[-1 - PERIOD].keys()


@pytest.mark.parametrize("cut", range(1, 2 * PERIOD + 2))
@pytest.mark.parametrize("name", PROBES)
def test_a_restored_probe_continues_identically(name: str, cut: int) -> None:
    whole, interrupted = history(name, None), history(name, cut)
    assert whole == interrupted
    assert any(whole[cut:])


def history(name: str, cut: int | None) -> list[dict[str, float]]:
    """What a probe logs after each update of a training, replaced after update `cut` by one restored from its file."""
    probe, agent = probe_named(name), agent_named("hand")
    training, sample = random_sampler(1), random_sampler(2)
    logged = []
    for updates in range(1, UPDATES + 1):
        agent.update(training(8))
        logged.append(measure(probe, agent, updates, sample))
        if updates == cut:
            file = io.BytesIO()
            torch.save(probe.state_dict(), file)
            file.seek(0)
            probe = probe_named(name)
            probe.load_state_dict(torch.load(file, weights_only=True))
    return logged


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("network", sorted(NODES))
def test_norms_cover_every_parameter_and_rank_reads_what_the_heads_read(network: str, dueling: bool) -> None:
    q, _ = q_network(network, dueling, width=0.25)
    layers = q.hidden_layers()
    assert set(parameters(layers)["total"]) == set(q.parameters())
    (last,) = penultimate(layers)
    assert last.readers[0].layer is q.head
