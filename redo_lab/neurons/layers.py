"""The declaration of a network's hidden layers: what recyclers, probes, pruning and resets work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from redo_lab.types import Batch

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
    layer is scored but never recycled (a residual stream has owners besides its own weights). `norm` lies between
    `layer` and `activation`: its gain and offset, neurons first, belong to the neurons; its statistics tie all of them.
    """

    name: str
    layer: nn.Linear | nn.Conv2d
    activation: nn.Module
    init: Initialiser
    readers: tuple[Reader, ...] = ()
    norm: nn.LayerNorm | None = None

    @property
    def neurons(self) -> int:
        """Number of neurons (output units or feature maps)."""
        return self.layer.weight.shape[0]

    def modules(self) -> list[nn.Module]:
        """Those whose weights are the layer's own: the layer and its norm."""
        return [self.layer] if self.norm is None else [self.layer, self.norm]

    def within(self, network: str) -> HiddenLayer:
        """The same layer, named as part of `network`."""
        return replace(self, name=f"{network}/{self.name}")


def observations(batch: Batch) -> tuple[Tensor, ...]:
    """What most networks read of a batch."""
    return (batch.obs,)


@dataclass(frozen=True)
class Network:
    """One online network of an agent: what a reset works on.

    hidden: its declared layers, from input to output. online: all its weights. init: of the layers that are not
    declared (output heads). target: the target network, of the same structure, or None. name: "" where an agent has
    one network only; it prefixes the layers' names. inputs: what `online`, its target or a copy reads of a batch.
    """

    hidden: tuple[HiddenLayer, ...]
    online: nn.Module
    init: Initialiser
    target: nn.Module | None = None
    name: str = ""
    inputs: Callable[[Batch], tuple[Tensor, ...]] = observations

    def outputs(self) -> list[nn.Linear | nn.Conv2d]:
        """The output layers: the readers of the last hidden layer that aren't hidden layers themselves."""
        hidden = {id(layer.layer) for layer in self.hidden}
        return [reader.layer for reader in self.hidden[-1].readers if id(reader.layer) not in hidden]
