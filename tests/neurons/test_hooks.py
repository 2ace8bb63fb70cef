"""What the hooks of an update hand on: penalties, gradients and the activations of the training batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from redo_lab.neurons.hooks import Hooks
from redo_lab.neurons.layers import Network
from redo_lab.neurons.scores import activations
from redo_lab.protocols import ActivationHook, GradientHook, Learner, Regulariser
from redo_lab.types import Sampler, Transition
from tests.helpers.agents import batches, tiny

AGENTS = ["dqn", "sac"]


class Recorder(ActivationHook, GradientHook):
    """Keeps what it is shown, by network."""

    def __init__(self) -> None:
        self.activations: dict[str, list[Tensor]] = {}
        self.gradients: dict[str, list[Tensor]] = {}
        self.weights: dict[str, list[Tensor]] = {}

    def watch(self, network: Network, activations: Sequence[Tensor]) -> None:
        assert not any(h.requires_grad for h in activations)
        self.activations[network.name] = list(activations)

    def before_step(self, network: Network) -> None:
        self.gradients[network.name] = [p.grad.clone() for p in network.online.parameters() if p.grad is not None]
        self.weights[network.name] = [p.detach().clone() for p in network.online.parameters()]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class LittleChurn(Regulariser):
    """The networks' outputs on a second batch stay near those of frozen copies, taken at construction."""

    name = "little_churn"

    def __init__(self, learner: Learner) -> None:
        self.frozen: dict[str, nn.Module] = {n.name: copy.deepcopy(n.online) for n in learner.networks()}
        self.asked: list[int] = []

    def loss(self, network: Network, batch: Transition, sample: Sampler) -> Tensor:
        self.asked.append(len(batch.obs))
        other = network.inputs(sample(6))
        now, before = network.online(*other), self.frozen[network.name](*other)
        pairs = zip(now, before, strict=True) if isinstance(now, tuple) else [(now, before)]
        return sum(((a - b.detach()) ** 2).mean() for a, b in pairs)  # type: ignore[return-value]

    def state_dict(self) -> dict[str, Any]:
        return {name: module.state_dict() for name, module in self.frozen.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, module in self.frozen.items():
            module.load_state_dict(state[name])


def never(n: int) -> Transition:
    raise AssertionError("nobody asked for a batch")


@pytest.mark.parametrize("name", AGENTS)
def test_the_training_batch_s_activations_are_those_of_the_loss_s_own_forward_pass(name: str) -> None:
    agent, batch, recorder = tiny(name), batches(name, 1)[0], Recorder()
    calls: list[str] = []
    expected = {
        network.name: activations(network.hidden, lambda n=network: n.online(*n.inputs(batch)))
        for network in agent.networks()
    }
    for network in agent.networks():
        network.online.register_forward_hook(lambda *_, name=network.name: calls.append(name))
    plain = tiny(name)
    metrics = agent.update(batch, Hooks([(recorder, never)]))
    assert metrics == plain.update(batch), "to watch changes nothing"
    if name == "dqn":
        assert calls == [""], "no second forward pass"
    else:
        # The critics' step comes before the actor's, which doesn't change the actor.
        assert calls == ["actor", "critic1", "critic2", "actor", "critic1", "critic2"]
    assert recorder.activations.keys() == expected.keys()
    for network, outputs in expected.items():
        for ours, theirs in zip(recorder.activations[network], outputs, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("name", AGENTS)
def test_before_the_step_the_gradients_are_there_and_the_weights_are_the_old_ones(name: str) -> None:
    agent, batch, recorder = tiny(name), batches(name, 1)[0], Recorder()
    old = {n.name: [p.detach().clone() for p in n.online.parameters()] for n in agent.networks()}
    agent.update(batch, Hooks([(recorder, never)]))
    for network in agent.networks():
        parameters = list(network.online.parameters())
        assert all(torch.equal(a, b) for a, b in zip(recorder.weights[network.name], old[network.name], strict=True))
        assert len(recorder.gradients[network.name]) == len(parameters)
        assert any(gradient.abs().sum() > 0 for gradient in recorder.gradients[network.name])
        assert not any(torch.equal(p, q) for p, q in zip(parameters, old[network.name], strict=True) if p.dim() > 1)


@pytest.mark.parametrize("name", AGENTS)
def test_a_penalty_has_a_second_batch_and_frozen_copies_and_pulls_each_network_once(name: str) -> None:
    agent, data = tiny(name), batches(name, 4)
    churn, recorder = LittleChurn(agent), Recorder()
    hooks = Hooks([(churn, lambda n: batches(name, 1, size=n)[0]), (recorder, never)])
    names = [network.name for network in agent.networks()]
    agent.update(data[0], hooks)
    assert churn.asked == [8] * len(names)
    # At first the copies are the networks themselves; SAC's critics have stepped when the actor's turn comes.
    assert all(value == 0 for value in hooks.penalties.values())
    agent.update(data[1], hooks)
    assert all(value > 0 for value in hooks.penalties.values())
    suffixes = {"" if not one else f"_{one}" for one in names}
    assert hooks.penalties.keys() == {f"little_churn/penalty{suffix}" for suffix in suffixes}


def test_every_loss_gets_the_gradient_of_its_own_networks_penalty_only() -> None:
    """The difference between the gradients with and without is that of the penalty, for actor and critics alike."""
    with_penalty, without = tiny("sac"), tiny("sac")
    batch, (ours, theirs) = batches("sac", 1)[0], (Recorder(), Recorder())

    class Sum(LittleChurn):
        """The sum of all parameters: a gradient of 1 everywhere."""

        def loss(self, network: Network, batch: Transition, sample: Sampler) -> Tensor:
            return torch.stack([p.sum() for p in network.online.parameters()]).sum()

    with_penalty.update(batch, Hooks([(Sum(with_penalty), never), (ours, never)]))
    without.update(batch, Hooks([(theirs, never)]))
    for network in ("critic1", "critic2"):
        for one, other in zip(ours.gradients[network], theirs.gradients[network], strict=True):
            assert torch.allclose(one - other, torch.ones_like(one), atol=1e-5)
    # The actor's own loss sees critics that have stepped by Adam's rate in another direction.
    for one, other in zip(ours.gradients["actor"], theirs.gradients["actor"], strict=True):
        assert torch.allclose(one - other, torch.ones_like(one), atol=0.05)
