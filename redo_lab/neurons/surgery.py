"""Recycling, written once: new incoming weights, outgoing weights silenced, optimizer state to match.

Everything happens in place on the parameters that the declaration names, so compiled graphs and optimizers keep
working. Weights are drawn for the selected neurons only: on a CPU drawing whole layers costs more than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from redo_lab.neurons.layers import HiddenLayer, Reader
from redo_lab.runs.names import RECYCLED, TOTAL
from redo_lab.types import Metrics


class Incoming(Enum):
    """init: as at construction; scaled: the same, rows scaled to the mean norm of the other neurons (appendix C.2)."""

    init = "init"
    scaled = "scaled"


class Outgoing(Enum):
    """zero: as in Algorithm 1; random: drawn as at construction (appendix C.2)."""

    zero = "zero"
    random = "random"


class StepCount(Enum):
    """Adam's step count of a parameter touched: keep, as the authors' code, or reset to 0 for the whole parameter."""

    keep = "keep"
    reset = "reset"


class Forgetting(Protocol):
    """What happens to the optimizer's state of weights that were replaced."""

    @property
    def reset_moments(self) -> bool: ...
    @property
    def step_count(self) -> StepCount: ...


class Redraws:
    """Marks the settings of an intervention that draws weights anew: none goes together with pruning."""


@dataclass
class Surgery(Redraws):
    """How a selected neuron is renewed. `reset_moments` zeroes both Adam moments wherever a weight was replaced."""

    incoming: Incoming
    outgoing: Outgoing
    reset_moments: bool
    step_count: StepCount


def indices(masks: Sequence[Tensor]) -> list[Tensor]:
    """Positions of the True entries of each mask; the masks cross to the host together, once."""
    host = torch.cat(list(masks)).cpu()
    parts = torch.split(host, [mask.numel() for mask in masks])
    return [part.nonzero().squeeze(1).to(masks[0].device, non_blocking=True) for part in parts]


def lowest(values: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Positions of the `count` lowest of `values` [neurons], exactly that many; equals are drawn by lot."""
    lot = torch.randperm(values.numel(), generator=generator, device=values.device)
    return lot[values[lot].topk(count, largest=False).indices]


def recycled_metrics(name: str, layers: Sequence[HiddenLayer], selection: Sequence[Tensor]) -> Metrics:
    """How many neurons of each layer, and in total: <name>/recycled_<layer>, <name>/recycled_total."""
    counts = [neurons.numel() for neurons in selection]
    names = [f"{name}/{RECYCLED}_{layer.name}" for layer in layers]
    values = torch.tensor([*counts, sum(counts)]).to(selection[0].device, non_blocking=True)
    return dict(zip([*names, f"{name}/{RECYCLED}_{TOTAL}"], values.unbind(), strict=True))


@torch.no_grad()
def recycle(
    layers: Sequence[HiddenLayer],
    selection: Sequence[Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    surgery: Surgery,
    generator: torch.Generator,
) -> None:
    """The neurons of `selection` (int64 indices a layer) have fresh incoming weights and silent outgoing ones.

    Where the layer has a norm, their gain is 1 and their offset 0; the others change by what the norm's statistics do.
    All incoming weights come first and all outgoing ones second: where a recycled neuron's row meets another's column,
    the outgoing value stands (as in the authors' code). Layers of which no neuron is selected are not touched.
    """
    touched = [(layer, neurons) for layer, neurons in zip(layers, selection, strict=True) if neurons.numel()]
    for layer, neurons in touched:
        _renew_incoming(layer, neurons, optimizers, surgery, generator)
    for layer, neurons in touched:
        _renew_outgoing(layer, neurons, optimizers, surgery, generator)


def _renew_incoming(
    layer: HiddenLayer,
    neurons: Tensor,
    optimizers: Sequence[torch.optim.Optimizer],
    surgery: Surgery,
    generator: torch.Generator,
) -> None:
    weight = layer.layer.weight
    fresh = weight.new_empty((len(neurons), *weight.shape[1:]))
    layer.init(fresh, weight.shape, generator)
    # Where no row is left to take a norm from, the fresh ones keep theirs.
    if surgery.incoming is Incoming.scaled and len(neurons) < len(weight):
        fresh.mul_(_mean_norm_of_others(weight, neurons) / row_norms(fresh).view(-1, *[1] * (fresh.dim() - 1)))
    weight.index_copy_(0, neurons, fresh)
    if layer.layer.bias is not None:
        layer.layer.bias.index_fill_(0, neurons, 0)
    if layer.norm is not None:
        layer.norm.weight.index_fill_(0, neurons, 1)
        layer.norm.bias.index_fill_(0, neurons, 0)
    for part in _incoming(layer):
        _forget(part, neurons, optimizers, surgery)


def _renew_outgoing(
    layer: HiddenLayer,
    neurons: Tensor,
    optimizers: Sequence[torch.optim.Optimizer],
    surgery: Surgery,
    generator: torch.Generator,
) -> None:
    for part in _outgoing(layer):
        weight, columns = part.parameter, part.of(part.parameter)
        if surgery.outgoing is Outgoing.random:
            span = columns.shape[2]
            fresh = weight.new_empty((len(weight), len(neurons) * span, *weight.shape[2:]))
            layer.init(fresh, weight.shape, generator)
            columns.index_copy_(1, neurons, torch.unflatten(fresh, 1, (len(neurons), span)))
        else:
            columns.index_fill_(1, neurons, 0)
        _forget(part, neurons, optimizers, surgery)


def reader_columns(reader: Reader, neurons: Tensor) -> Tensor:
    """The input columns of `reader` that the `neurons` own: [len(neurons) * span]."""
    spans = torch.arange(reader.span, device=neurons.device)
    return (reader.offset + neurons[:, None] * reader.span + spans).flatten()


def row_norms(weight: Tensor) -> Tensor:
    """The 2-norm of each neuron's incoming weights: [neurons]."""
    norms: Tensor = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    return norms


def _mean_norm_of_others(weight: Tensor, neurons: Tensor) -> Tensor:
    norms = row_norms(weight)
    others = torch.ones_like(norms).index_fill_(0, neurons, 0)
    return (norms * others).sum() / others.sum().clamp(min=1)


@torch.no_grad()
def fold_outgoing(layers: Sequence[HiddenLayer], selection: Sequence[Tensor], means: Sequence[Tensor]) -> None:
    """Every reader's bias has taken over what the neurons of `selection` add to it at their `means` (one a neuron).

    Exact for the mean of a dense layer's input. A feature map counts with its mean at every position: where it was
    flattened or is convolved that is exact for a constant map, and a convolution's zero padding is left out.
    """
    for layer, neurons, mean in zip(layers, selection, means, strict=True):
        if not neurons.numel():
            continue
        for reader in layer.readers:
            weight = reader.layer.weight.index_select(1, reader_columns(reader, neurons))
            bias = reader.layer.bias
            assert bias is not None, "a reader without a bias has nothing to fold into"
            bias.addmv_(weight.flatten(2).sum(2) if weight.dim() > 2 else weight, mean.repeat_interleave(reader.span))


@torch.no_grad()
def silence(layers: Sequence[HiddenLayer], selection: Sequence[Tensor]) -> None:
    """All incoming weights, biases, gains, offsets and outgoing weights of the neurons of `selection` are 0."""
    for layer, neurons in zip(layers, selection, strict=True):
        for part in (*_incoming(layer), *_outgoing(layer)):
            part.of(part.parameter).index_fill_(part.dim, neurons, 0)


@torch.no_grad()
def forget(
    layers: Sequence[HiddenLayer],
    selection: Sequence[Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    how: Forgetting,
) -> None:
    """The optimizers' state of all weights of these neurons, incoming and outgoing, is as `how` says."""
    for layer, neurons in zip(layers, selection, strict=True):
        for part in (*_incoming(layer), *_outgoing(layer)) if neurons.numel() else ():
            _forget(part, neurons, optimizers, how)


class _Part(NamedTuple):
    """Where a layer's neurons lie in `parameter`: along `dim` of the view `of(parameter)`, or of(its moments)."""

    parameter: Tensor
    of: Callable[[Tensor], Tensor]
    dim: int


def _incoming(layer: HiddenLayer) -> Iterator[_Part]:
    norm = () if layer.norm is None else (layer.norm.weight, layer.norm.bias)
    for parameter in (layer.layer.weight, layer.layer.bias, *norm):
        if parameter is not None:
            yield _Part(parameter, lambda tensor: tensor, 0)


def _outgoing(layer: HiddenLayer) -> Iterator[_Part]:
    for reader in layer.readers:
        yield _Part(reader.layer.weight, partial(_columns, reader, layer.neurons), 1)


def _columns(reader: Reader, neurons: int, tensor: Tensor) -> Tensor:
    # As [out, neurons, span, …] a neuron's columns are one run of memory: six times faster to fill than by index.
    return torch.unflatten(tensor[:, reader.columns(neurons)], 1, (neurons, reader.span))


def _forget(part: _Part, neurons: Tensor, optimizers: Sequence[torch.optim.Optimizer], how: Forgetting) -> None:
    for state in optimizer_states(part.parameter, optimizers):
        if how.reset_moments:
            for value in state.values():
                if value.shape == part.parameter.shape:
                    part.of(value).index_fill_(part.dim, neurons, 0)
        # SGD counts no steps.
        if how.step_count is StepCount.reset and "step" in state:
            state["step"].zero_()


@torch.no_grad()
def forget_all(parameter: Tensor, optimizers: Sequence[torch.optim.Optimizer], how: Forgetting) -> None:
    """The optimizers' state of the whole `parameter` is as `how` says."""
    everything = torch.arange(len(parameter), device=parameter.device)
    _forget(_Part(parameter, lambda tensor: tensor, 0), everything, optimizers, how)


def optimizer_states(parameter: Tensor, optimizers: Sequence[torch.optim.Optimizer]) -> Iterator[dict[str, Tensor]]:
    """The state that each optimizer has of `parameter`, looked up by the parameter itself."""
    for optimizer in optimizers:
        if parameter in optimizer.state:
            yield optimizer.state[parameter]
