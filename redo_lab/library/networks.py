"""Dormancy and ReDo on any network of one's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from redo_lab.neurons.declare import declare
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import dormancy_scores
from redo_lab.neurons.surgery import Incoming, Outgoing, StepCount, Surgery, indices
from redo_lab.neurons.surgery import recycle as operate


def dormancy(
    model: nn.Module, inputs: Tensor, *, threshold: float = 0.0, layers: Sequence[HiddenLayer] | None = None
) -> dict[str, float]:
    """The % of neurons of each hidden layer, and of all under "total", whose score (Eq. 1) on `inputs` is ≤ threshold.

    `layers` are those of `declare(model)` unless given. The model runs once, without gradients.
    """
    declared = declare(model) if layers is None else layers
    dormant = [score <= threshold for score in dormancy_scores(declared, lambda: model(inputs))]
    shares = {layer.name: 100 * mask.float().mean().item() for layer, mask in zip(declared, dormant, strict=True)}
    return {**shares, "total": 100 * torch.cat(dormant).float().mean().item()}


def recycle(
    model: nn.Module,
    inputs: Tensor,
    optimizers: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    *,
    threshold: float = 0.1,
    layers: Sequence[HiddenLayer] | None = None,
    generator: torch.Generator | None = None,
) -> dict[str, int]:
    """ReDo once (Algorithm 1, Sokar et al., 2023): neurons whose score on `inputs` is ≤ threshold start again.

    Their incoming weights are drawn anew, their outgoing ones are 0, and the optimizers' moments of both are 0. Returns
    how many of each hidden layer, and of all under "total". `layers` are those of `declare(model)` unless given; those
    without readers are left alone. The draws come from `generator`, or from a fresh one that torch's seeds.
    """
    declared = [layer for layer in (declare(model) if layers is None else layers) if layer.readers]
    selection = indices([score <= threshold for score in dormancy_scores(declared, lambda: model(inputs))])
    if generator is None:
        device = declared[0].layer.weight.device
        generator = torch.Generator(device).manual_seed(torch.initial_seed())
    listed = [optimizers] if isinstance(optimizers, torch.optim.Optimizer) else list(optimizers)
    surgery = Surgery(Incoming.init, Outgoing.zero, reset_moments=True, step_count=StepCount.keep)
    operate(declared, selection, listed, surgery, generator)
    counts = {layer.name: neurons.numel() for layer, neurons in zip(declared, selection, strict=True)}
    return {**counts, "total": sum(counts.values())}
