"""`network.norm=layer`: LayerNorm before every nonlinearity, by hand, and nothing at all where it is off."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from redo_lab.neurons.scores import activations
from tests.helpers.networks import NODES, q_network, torso

# The width keeps a network narrow; IMPALA: 3 stacks with 2 blocks of 2 nonlinearities, one after them, the dense one.
NONLINEARITIES = {"cifar": 4, "nature_same": 4, "nature_valid": 4, "impala": 3 * 2 * 2 + 2, "minatar": 2, "mlp": 2}


def normalised(z: Tensor) -> Tensor:
    """Each sample's numbers have mean 0 and variance 1, whatever their place."""
    flat = z.flatten(1)
    mean, variance = flat.mean(1, keepdim=True), flat.var(1, correction=0, keepdim=True)
    return ((flat - mean) / (variance + 1e-5).sqrt()).view_as(z)


@pytest.mark.parametrize("name", NODES)
def test_every_nonlinearity_s_input_is_normalised_over_maps_and_positions_or_features(name: str) -> None:
    network, obs = q_network(name, dueling=False, norm="layer")
    inputs: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _, z, __: inputs.append(z[0]))
    network(obs)
    assert len(inputs) == NONLINEARITIES[name]
    for z in inputs:
        assert torch.allclose(z.flatten(1).mean(1), torch.zeros(len(z)), atol=1e-5)
        assert torch.allclose(z.flatten(1).var(1, correction=0), torch.ones(len(z)), atol=0.02)


def test_a_layer_is_the_activation_of_gain_times_the_normalised_output_plus_offset() -> None:
    network, obs = q_network("minatar", dueling=False, norm="layer")
    conv, dense = network.hidden_layers()
    for layer in (conv, dense):
        assert layer.norm is not None
        nn.init.uniform_(layer.norm.weight, 0.5, 2.0, generator=torch.Generator().manual_seed(0))
        nn.init.normal_(layer.norm.bias, generator=torch.Generator().manual_seed(1))
    found = activations([conv, dense], lambda: network(obs))
    first = (normalised(conv.layer(obs.float())) * conv.norm.weight + conv.norm.bias).relu()  # type: ignore[union-attr]
    second = normalised(dense.layer(first.flatten(1))) * dense.norm.weight + dense.norm.bias  # type: ignore[union-attr]
    assert torch.allclose(found[0], first, atol=1e-5)
    assert torch.allclose(found[1], second.relu(), atol=1e-5)


@pytest.mark.parametrize("name", NODES)
def test_none_adds_no_parameter_and_layer_draws_nothing(name: str) -> None:
    plain, normed = torso(name)[0].state_dict(), torso(name, norm="layer")[0].state_dict()
    assert not [key for key in plain if "norm" in key]
    assert all(torch.equal(normed[key], value) for key, value in plain.items())
    assert {key.rpartition(".")[2] for key in normed.keys() - plain.keys()} == {"weight", "bias"}
    assert len(normed) - len(plain) == 2 * NONLINEARITIES[name]
