"""The contracts that prove a declaration of hidden layers, for any network. Each raises AssertionError."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import activations, mean_magnitude, watching
from redo_lab.neurons.surgery import Incoming, Outgoing, StepCount, Surgery, reader_columns, recycle

Forward = Callable[[], Sequence[Tensor]]
"""Runs the network(s) on a fixed batch; every output that matters."""

SURGERY = Surgery(Incoming.init, Outgoing.zero, True, StepCount.keep)


@torch.no_grad()
def check_readers(layers: Sequence[HiddenLayer], forward: Forward) -> None:
    """Silencing neuron i at its activation equals zeroing its declared columns."""
    for layer in recyclable(layers):
        for neuron in _active(layer, forward):
            before = _join(forward())
            with _silenced(layer, neuron):
                silenced = _join(forward())
            saved = [reader.layer.weight.clone() for reader in layer.readers]
            for reader in layer.readers:
                reader.layer.weight.index_fill_(1, reader_columns(reader, torch.tensor([neuron])), 0)
            zeroed = _join(forward())
            for reader, weight in zip(layer.readers, saved, strict=True):
                reader.layer.weight.copy_(weight)
            assert not torch.equal(before, silenced), f"{layer.name}: neuron {neuron} does nothing, the test is empty"
            assert torch.allclose(silenced, zeroed, atol=1e-5), f"{layer.name}: readers are wrong"


@torch.no_grad()
def check_owner(layers: Sequence[HiddenLayer], forward: Forward) -> None:
    """With neuron i silenced, noise on its incoming weights changes nothing; with it active, it does."""
    for layer in recyclable(layers):
        for neuron in _active(layer, forward):
            weight, bias = layer.layer.weight, layer.layer.bias
            saved = weight.clone(), None if bias is None else bias.clone()
            with _silenced(layer, neuron):
                before = _join(forward())
                # Half as large again, so that an active neuron stays active.
                weight[neuron] *= 1.5 + 0.01 * torch.randn_like(weight[neuron])
                if bias is not None:
                    bias[neuron] *= 1.5
                after = _join(forward())
            noisy = _join(forward())
            weight.copy_(saved[0])
            if bias is not None and saved[1] is not None:
                bias.copy_(saved[1])
            assert torch.equal(before, after), f"{layer.name}: something else reads the weights of neuron {neuron}"
            assert not torch.equal(before, noisy), f"{layer.name}: neuron {neuron} does nothing, the test is empty"


@torch.no_grad()
def check_norm(layers: Sequence[HiddenLayer], forward: Forward) -> None:
    """With neuron i silenced, other gains and offsets of its norm change nothing; with it active, they do.

    Its incoming weights do, through the norm's mean and variance: `check_owner` can't hold there.
    """
    for layer in recyclable(layers):
        assert layer.norm is not None, f"{layer.name} declares no norm"
        for neuron in _active(layer, forward):
            saved = layer.norm.weight.clone(), layer.norm.bias.clone()
            with _silenced(layer, neuron):
                before = _join(forward())
                layer.norm.weight[neuron] *= 1.5
                layer.norm.bias[neuron] += 0.5
                after = _join(forward())
            noisy = _join(forward())
            layer.norm.weight.copy_(saved[0])
            layer.norm.bias.copy_(saved[1])
            assert torch.equal(before, after), f"{layer.name}: neuron {neuron} owns other gains and offsets"
            assert not torch.equal(before, noisy), f"{layer.name}: neuron {neuron} does nothing, the test is empty"


@torch.no_grad()
def check_preservation(layers: Sequence[HiddenLayer], forward: Forward) -> None:
    """Recycling dead neurons (output always 0) leaves every output bit for bit as it was."""
    layers = recyclable(layers)
    chosen = [torch.tensor(_active(layer, forward)) for layer in layers]
    for layer, neurons in zip(layers, chosen, strict=True):
        assert layer.layer.bias is not None
        layer.layer.weight.index_fill_(0, neurons, 0)
        layer.layer.bias.index_fill_(0, neurons, -1)  # ReLU(-1) = 0
    before = _join(forward())
    incoming = [layer.layer.weight.clone() for layer in layers]
    recycle(layers, chosen, [], SURGERY, torch.Generator().manual_seed(0))
    assert torch.equal(before, _join(forward())), "recycling dead neurons changed the output"
    for layer, neurons, old in zip(layers, chosen, incoming, strict=True):
        assert not torch.equal(layer.layer.weight[neurons], old[neurons]), f"{layer.name} was not recycled"


def recyclable(layers: Sequence[HiddenLayer]) -> list[HiddenLayer]:
    """Those with readers; the others (residual streams) are only scored."""
    return [layer for layer in layers if layer.readers]


def shake(module: torch.nn.Module, seed: int = 0) -> None:
    """Random biases, so that no neuron is silent by construction."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(torch.rand(parameter.shape, generator=generator) * 0.2 + 0.05)


def _active(layer: HiddenLayer, forward: Forward) -> list[int]:
    """The neurons that a test can say something of: those of the largest outputs, and distinct."""
    magnitude = mean_magnitude(activations([layer], forward)[0])
    return sorted(magnitude.topk(min(3, layer.neurons)).indices.tolist())


def _join(outputs: Sequence[Tensor]) -> Tensor:
    return torch.cat([output.flatten() for output in outputs])


def _silenced(layer: HiddenLayer, neuron: int):  # type: ignore[no-untyped-def]
    return watching([layer], lambda _, h: h[:, neuron].zero_())
