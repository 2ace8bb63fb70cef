"""Every network's declaration of hidden layers holds the contracts of neurons/layers.py; planted mistakes do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from redo_lab.neurons.layers import HiddenLayer, Reader
from redo_lab.neurons.surgery import recycle
from tests.helpers.agents import batches, tiny
from tests.helpers.contracts import (
    SURGERY,
    check_norm,
    check_owner,
    check_preservation,
    check_readers,
    recyclable,
    shake,
)
from tests.helpers.networks import NODES, q_network


def normal(rows: Tensor, shape: torch.Size, generator: torch.Generator | None) -> None:
    nn.init.normal_(rows, generator=generator)


KINDS = ("weight", "bias")
EVERY = [(name, dueling) for name in NODES for dueling in (False, True)]


@pytest.mark.parametrize(("name", "dueling"), EVERY)
def test_every_network_declares_its_readers_right(name: str, dueling: bool) -> None:
    network, obs = q_network(name, dueling)
    shake(network)
    check_readers(network.hidden_layers(), lambda: [network(obs)])


@pytest.mark.parametrize(("name", "dueling"), EVERY)
def test_every_network_declares_who_owns_the_incoming_weights(name: str, dueling: bool) -> None:
    network, obs = q_network(name, dueling)
    shake(network)
    check_owner(network.hidden_layers(), lambda: [network(obs)])


@pytest.mark.parametrize(("name", "dueling"), EVERY)
def test_recycling_dead_neurons_leaves_every_output_bit_identical(name: str, dueling: bool) -> None:
    network, obs = q_network(name, dueling)
    shake(network)
    check_preservation(network.hidden_layers(), lambda: [network(obs)])


@pytest.mark.parametrize(("name", "dueling"), EVERY)
def test_under_a_norm_silencing_a_neuron_still_equals_zeroing_its_columns(name: str, dueling: bool) -> None:
    network, obs = q_network(name, dueling, norm="layer")
    shake(network)
    check_readers(network.hidden_layers(), lambda: [network(obs)])


@pytest.mark.parametrize("name", NODES)
def test_under_a_norm_a_silenced_neuron_s_gain_and_offset_are_nobody_else_s(name: str) -> None:
    network, obs = q_network(name, dueling=True, norm="layer")
    shake(network)
    check_norm(network.hidden_layers(), lambda: [network(obs)])


@pytest.mark.parametrize("name", NODES)
def test_a_recycled_neuron_s_gain_is_1_its_offset_0_and_the_others_keep_theirs(name: str) -> None:
    network, _ = q_network(name, dueling=True, norm="layer")
    layers = recyclable(network.hidden_layers())
    for layer in layers:
        assert layer.norm is not None
        nn.init.uniform_(layer.norm.weight, 2.0, 3.0)
        nn.init.uniform_(layer.norm.bias, 2.0, 3.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.0)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    recycle(layers, [torch.tensor([1]) for _ in layers], [optimizer], SURGERY, torch.Generator())
    for layer in layers:
        assert layer.norm is not None
        gain, offset = layer.norm.weight, layer.norm.bias
        assert (gain[1] == 1).all()
        assert (offset[1] == 0).all()
        assert ((gain >= 2).flatten(1).all(1) if gain.dim() > 1 else gain >= 2).sum() == layer.neurons - 1
        for parameter in (gain, offset):
            for moment in ("exp_avg", "exp_avg_sq"):
                state = optimizer.state[parameter][moment]
                assert (state[1] == 0).all()
                assert (state[0] != 0).all()


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("name", NODES)
def test_every_weight_and_bias_but_the_heads_belongs_to_a_declared_layer(name: str, norm: str) -> None:
    network, _ = q_network(name, dueling=True, norm=norm)
    declared = {id(p) for layer in network.hidden_layers() for module in layer.modules() for p in module.parameters()}
    declared |= {id(p) for head in (network.head, network.value) for p in head.parameters()}
    left = {parameter for parameter, p in network.named_parameters() if id(p) not in declared}
    # As in the authors' code the last convolution of a stack isn't scored: no activation follows it alone.
    last = {f"torso.stack{i}.block2.conv2.{kind}" for i in (1, 2, 3) for kind in KINDS}
    # The stream's norms are of a sum.
    streams = {f"torso.stack{i}.block{j}.enter_norm.{kind}" for i in (1, 2, 3) for j in (1, 2) for kind in KINDS}
    streams |= {f"torso.leave_norm.{kind}" for kind in KINDS}
    expected = last | (streams if norm == "layer" else set())
    assert left == (expected if name == "impala" else set())


@pytest.mark.parametrize("contract", [check_readers, check_owner, check_preservation])
def test_sac_declares_its_actor_and_both_critics_right(contract: Callable[..., None]) -> None:
    agent, batch = tiny("sac"), batches("sac", 1)[0]
    for network in agent.networks():
        shake(network.online)
    assert [layer.name for layer in agent.hidden_layers()] == [
        f"{network}/dense{i}" for network in ("actor", "critic1", "critic2") for i in (1, 2)
    ]
    contract(agent.hidden_layers(), lambda: agent.forward(batch))


def test_a_critic_read_by_its_twin_is_caught() -> None:
    agent, batch = tiny("sac"), batches("sac", 1)[0]
    layers = list(agent.hidden_layers())
    layers[3] = replace(layers[3], readers=layers[5].readers)
    with pytest.raises(AssertionError, match="critic1/dense2: readers are wrong"):
        check_readers(layers, lambda: agent.forward(batch))


def test_a_forgotten_dueling_head_is_caught() -> None:
    network, obs = q_network("nature_same", dueling=True)
    shake(network)
    layers = network.hidden_layers()
    layers[-1] = replace(layers[-1], readers=layers[-1].readers[:1])
    with pytest.raises(AssertionError, match="readers are wrong"):
        check_readers(layers, lambda: [network(obs)])


class PositionsFirst(nn.Module):
    """Flattens a map with channels last, as Flax does, and declares it as if they came first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.out = nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Linear(6 * 4, 2)

    def forward(self, obs: Tensor) -> Tensor:
        return self.out(self.act(self.conv(obs)).permute(0, 2, 3, 1).flatten(1))  # type: ignore[no-any-return]


def test_a_wrong_flatten_order_is_caught() -> None:
    network, obs = PositionsFirst(), torch.randn(5, 1, 4, 4)
    shake(network)
    conv = HiddenLayer("conv", network.conv, network.act, normal, (Reader(network.out, span=4),))
    with pytest.raises(AssertionError, match="readers are wrong"):
        check_readers([conv], lambda: [network(obs)])


class ActionFirst(nn.Module):
    """A critic that joins action and features; the hidden layer's columns start after the action's."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.act, self.out = nn.Linear(4, 6), nn.ReLU(), nn.Linear(2 + 6, 1)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return self.out(torch.cat([action, self.act(self.dense(obs))], dim=1))  # type: ignore[no-any-return]

    def layers(self, offset: int) -> list[HiddenLayer]:
        reader = Reader(self.out, offset=offset)
        return [HiddenLayer("dense", self.dense, self.act, normal, (reader,))]


def test_a_forgotten_offset_is_caught() -> None:
    network, obs, action = ActionFirst(), torch.randn(5, 4), torch.randn(5, 2)
    shake(network)
    check_readers(network.layers(offset=2), lambda: [network(obs, action)])
    with pytest.raises(AssertionError, match="readers are wrong"):
        check_readers(network.layers(offset=0), lambda: [network(obs, action)])


class Residual(nn.Module):
    """x + f(x): the stream after the sum isn't owned by the last layer alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.act1, self.act2 = nn.ReLU(), nn.ReLU()

    def forward(self, obs: Tensor) -> Tensor:
        stream = self.first(obs)
        return self.out(self.act2(stream + self.inner(self.act1(stream))))  # type: ignore[no-any-return]


def test_a_residual_stream_declared_recyclable_is_caught() -> None:
    network, obs = Residual(), torch.randn(5, 4)
    shake(network)
    stream = HiddenLayer("stream", network.first, network.act1, normal, (Reader(network.inner),))
    with pytest.raises(AssertionError, match="something else reads"):
        check_owner([stream], lambda: [network(obs)])


class SharedActivation(nn.Module):
    """Two layers through one ReLU module: a hook can't tell them apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.act = nn.ReLU()

    def forward(self, obs: Tensor) -> Tensor:
        return self.out(self.act(self.second(self.act(self.first(obs)))))  # type: ignore[no-any-return]


def test_one_activation_shared_by_two_layers_is_caught() -> None:
    network, obs = SharedActivation(), torch.randn(5, 4)
    shake(network)
    first = HiddenLayer("first", network.first, network.act, normal, (Reader(network.second),))
    with pytest.raises(AssertionError, match="readers are wrong"):
        check_readers([first], lambda: [network(obs)])
