"""The IMPALA network against an independent computation, and what of it is scored and recycled."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from redo_lab.networks.impala import Block, Impala, Stack
from redo_lab.networks.parts import Activation, Norm
from redo_lab.neurons.scores import activations
from tests.helpers.networks import IMAGES, observations, q_network, torso


def same_pool(x: Tensor) -> Tensor:
    """3×3 max-pool of stride 2 by Flax's definition of SAME, one position at a time."""
    size = x.shape[-1]
    out = -(-size // 2)
    before = max((out - 1) * 2 + 3 - size, 0) // 2
    starts = [2 * i - before for i in range(out)]
    windows = [slice(max(start, 0), min(start + 3, size)) for start in starts]
    return torch.stack([torch.stack([x[..., r, c].amax((-1, -2)) for c in windows], -1) for r in windows], -2)


@pytest.mark.parametrize("size", [84, 42, 21, 11, 10])
def test_the_pool_is_padded_as_in_flax(size: int) -> None:
    x = torch.randn(2, 3, size, size) - 5  # negative, so that a zero of the padding would show
    assert torch.equal(Stack(3, 3, size, Activation.relu, Norm.none).pool(x), same_pool(x))


def test_a_block_adds_two_convolutions_to_its_input() -> None:
    block, x = Block(3, 5, Activation.relu, Norm.none), torch.randn(2, 3, 5, 5)

    def conv(h: Tensor, layer: torch.nn.Conv2d) -> Tensor:
        return functional.conv2d(h, layer.weight, layer.bias, padding=1)

    expected = x + conv(conv(x.relu(), block.conv1).relu(), block.conv2)
    assert torch.allclose(block(x), expected)


def test_feature_maps_and_sizes_are_those_of_the_paper() -> None:
    network, _ = q_network("impala", dueling=False, width=1.0)
    shapes = {
        layer.name: tuple(h.shape[1:])
        for layer, h in zip(
            network.hidden_layers(),
            activations(network.hidden_layers(), lambda: network(observations(IMAGES, 1))),
            strict=True,
        )
    }
    streams = {1: (32, 42, 42), 2: (64, 21, 21), 3: (64, 11, 11)}
    expected = {
        f"stack{i}_{name}": shape
        for i, shape in streams.items()
        for name in ("conv", "block1_conv1", "block1_conv2", "block2_conv1")
    }
    assert shapes == {**expected, "dense": (512,)}


def test_only_the_first_convolution_of_a_block_and_the_dense_layer_are_recycled() -> None:
    network, _ = q_network("impala", dueling=True)
    recycled = {layer.name for layer in network.hidden_layers() if layer.readers}
    blocks = {f"stack{stack}_block{block}_conv1" for stack in (1, 2, 3) for block in (1, 2)}
    assert recycled == blocks | {"dense"}


def test_every_activation_is_a_module_of_its_own() -> None:
    network, _ = torso("impala")
    assert isinstance(network, Impala)
    found = [module for module in network.modules() if isinstance(module, torch.nn.ReLU)]
    assert len(found) == 3 * 4 + 2
    declared = {id(layer.activation) for layer in network.hidden_layers(())}
    assert len(declared) == 3 * 4 + 1


def test_a_streams_score_is_of_what_enters_the_next_block() -> None:
    network, _ = torso("impala")
    assert isinstance(network, Impala)
    obs = observations(IMAGES, 2)
    layers = {layer.name: layer for layer in network.hidden_layers(())}
    found = activations([layers["stack1_conv"], layers["stack1_block1_conv2"]], lambda: network(obs))
    pooled = network.stack1.pool(network.stack1.conv(obs.float() / 255))
    assert torch.allclose(found[0], pooled.relu(), atol=1e-6)
    assert torch.allclose(found[1], network.stack1.block1(pooled).relu(), atol=1e-6)
