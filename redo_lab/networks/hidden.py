"""The declaration of a network's hidden layers: what recyclers, probes, pruning and resets work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

Initialiser = Callable[[Tensor, torch.Size, torch.Generator | None], object]
"""Fills k rows [k, in, …] in place as rows of a weight of the given full shape [out, in, …] are at the start."""


@dataclass(frozen=True)
class Reader:
    """A layer that reads a hidden layer: neuron i owns the `span` input columns from offset + i * span.

    span: H * W where an NCHW feature map was flattened, else 1. offset: where the input is a concatenation.
    """

    layer: nn.Linear | nn.Conv2d
    span: int = 1
    offset: int = 0

    def columns(self, neurons: int) -> slice:
        """The input columns that `neurons` neurons own together."""
        return slice(self.offset, self.offset + neurons * self.span)


@dataclass(frozen=True)
class HiddenLayer:
    """One hidden layer: `layer` computes it, `activation` (its own module) outputs h of Eq. 1 (Sokar et al., 2023).

    A linear unit or a feature map is one neuron. `init` is the initialiser used at construction. Without `readers` the
    layer is scored but never recycled (a residual stream has owners besides its own weights). `network` groups layers
    of an agent with several networks; it prefixes their names.
    """

    name: str
    layer: nn.Linear | nn.Conv2d
    activation: nn.Module
    init: Initialiser
    readers: tuple[Reader, ...] = ()

    @property
    def neurons(self) -> int:
        """Number of neurons (output units or feature maps)."""
        return self.layer.weight.shape[0]

    def within(self, network: str) -> HiddenLayer:
        """The same layer, named as part of `network`."""
        return replace(self, name=f"{network}/{self.name}")


@dataclass(frozen=True)
class Network:
    """One online network of an agent: what a reset works on.

    hidden: its declared layers, from input to output. online: all its weights. init: of the layers that are not
    declared (output heads). target: the target network, of the same structure, or None.
    """

    hidden: tuple[HiddenLayer, ...]
    online: nn.Module
    init: Initialiser
    target: nn.Module | None = None

    def outputs(self) -> list[nn.Linear | nn.Conv2d]:
        """The output layers: the readers of the last hidden layer that aren't hidden layers themselves."""
        hidden = {id(layer.layer) for layer in self.hidden}
        return [reader.layer for reader in self.hidden[-1].readers if id(reader.layer) not in hidden]


@contextmanager
def watching(layers: Sequence[HiddenLayer], seen: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Within the context, `seen(index, h)` is called with every output h of every layer's activation."""

    def hook(index: int) -> Callable[[nn.Module, object, Tensor], None]:
        def call(module: nn.Module, inputs: object, output: Tensor) -> None:
            seen(index, output)

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
    found: dict[int, Tensor] = {}
    with watching(layers, lambda index, h: found.__setitem__(index, h)):
        forward()
    return [found[i] for i in range(len(layers))]


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
