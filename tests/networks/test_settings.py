"""Widths and activations are settings of every network."""

from __future__ import annotations

import pytest
import torch

from redo_lab.networks.parts import Activation, widened
from redo_lab.neurons.scores import activations
from tests.helpers.networks import NODES, q_network, torso

SIZES = {
    "nature_same": [32, 64, 64, 512],
    "nature_valid": [32, 64, 64, 512],
    "impala": [32] * 4 + [64] * 8 + [512],
    "cifar": [32, 64, 64, 128],
    "minatar": [16, 128],
    "mlp": [48, 32],
}


def test_a_width_that_gives_no_whole_number_is_rounded_up_as_upstream() -> None:
    sizes = [(units, width, widened(units, width)) for units, width in ((32, 0.26), (64, 0.001), (512, 0.25))]
    assert sizes == [(32, 0.26, 9), (64, 0.001, 1), (512, 0.25, 128)]


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("name", NODES)
def test_width_multiplies_every_layer(name: str, width: float) -> None:
    """On the meta device: shapes without memory."""
    with torch.device("meta"):
        network, obs_shape = torso(name, width)
        layers = network.hidden_layers(())  # type: ignore[operator]
        seen = activations(layers, lambda: network(torch.empty(2, *obs_shape)))
    assert [layer.neurons for layer in layers] == [int(n * width) for n in SIZES[name]]
    assert [h.shape[1] for h in seen] == [int(n * width) for n in SIZES[name]]
    assert network.features == int(SIZES[name][-1] * width)


@pytest.mark.parametrize("activation", [activation.value for activation in Activation])
@pytest.mark.parametrize("name", NODES)
def test_every_network_takes_every_activation(name: str, activation: str) -> None:
    network, obs = q_network(name, dueling=False, width=0.25, activation=activation)
    q = network(obs)
    assert q.shape == (5, 3)
    assert q.isfinite().all()
    kinds = {type(layer.activation) for layer in network.hidden_layers()}
    assert kinds == {type(Activation(activation).module())}
    q.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_leaky_relu_has_slope_0p01() -> None:
    assert Activation.leaky_relu.module()(torch.tensor([-2.0, 3.0])).tolist() == pytest.approx([-0.02, 3.0])
