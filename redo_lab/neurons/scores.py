"""What neurons do on a batch: their activations, their magnitudes and the score of Eq. 1 (Sokar et al., 2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from redo_lab.neurons.layers import HiddenLayer, Reader


@contextmanager
def watching(layers: Sequence[HiddenLayer], callback: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Within the context, `callback(index, h)` gets every output h of every layer's activation."""

    def hook(index: int) -> Callable[[nn.Module, object, Tensor], None]:
        def call(module: nn.Module, inputs: object, output: Tensor) -> None:
            callback(index, output)

        return call

    handles = [layer.activation.register_forward_hook(hook(i)) for i, layer in enumerate(layers)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def activations(layers: Sequence[HiddenLayer], forward: Callable[[], object]) -> list[Tensor]:
    """The outputs h of each layer during one `forward()`: [N, neurons] or [N, neurons, H, W]."""
    outputs: dict[int, Tensor] = {}
    with watching(layers, lambda index, h: outputs.__setitem__(index, h)):
        forward()
    return [outputs[i] for i in range(len(layers))]


def mean_magnitude(h: Tensor) -> Tensor:
    """E|h_i| over the batch, and over positions of a feature map: [neurons]."""
    return h.abs().mean(dim=_all_but_neurons(h))


def mean_output(h: Tensor) -> Tensor:
    """E h_i over the batch, and over positions of a feature map: [neurons]."""
    return h.mean(dim=_all_but_neurons(h))


def mean_deviation(h: Tensor, centre: Tensor) -> Tensor:
    """E|h_i - centre_i| over the batch, and over positions of a feature map; centre and result [neurons]."""
    return mean_magnitude(h - centre.view(-1, *[1] * (h.dim() - 2)))


def _all_but_neurons(h: Tensor) -> list[int]:
    return [d for d in range(h.dim()) if d != 1]


def incoming_magnitude(layer: HiddenLayer) -> Tensor:
    """The sum of each neuron's |incoming weights|, without its bias: [neurons]."""
    return layer.layer.weight.detach().abs().flatten(1).sum(1)


def outgoing_magnitude(layer: HiddenLayer) -> Tensor:
    """The sum of each neuron's |outgoing weights|, over all readers: [neurons]."""
    # abs and sum are three times faster on a CPU than a 1-norm.
    return torch.stack([_column_sums(reader, layer.neurons) for reader in layer.readers]).sum(0)


def _column_sums(reader: Reader, neurons: int) -> Tensor:
    magnitudes = reader.layer.weight.detach()[:, reader.columns(neurons)].abs().sum(0)
    return magnitudes.flatten(1).sum(1) if magnitudes.dim() > 1 else magnitudes.view(neurons, reader.span).sum(1)


def normalised_score(h: Tensor) -> Tensor:
    """Eq. 1 (Sokar et al., 2023): E|h_i| over the layer's mean of it, 1e-9 added as in the authors' code: [neurons]."""
    magnitude = mean_magnitude(h)
    return magnitude / (magnitude.mean() + 1e-9)


def dormancy_scores(layers: Sequence[HiddenLayer], forward: Callable[[], object]) -> list[Tensor]:
    """The scores of Eq. 1 of every layer, from one `forward()`; one tensor [neurons] a layer."""
    return [normalised_score(h) for h in activations(layers, forward)]
