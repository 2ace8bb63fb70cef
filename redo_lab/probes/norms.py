"""Norms of features, weights, gradients and updates, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import activations
from redo_lab.probes import Schedule, groups
from redo_lab.protocols import Learner, Probe
from redo_lab.runs.names import FEATURE, GRADIENT, NORMS, UPDATE, WEIGHT
from redo_lab.types import Counters, Metrics, Sampler


class Norms(Probe[Learner]):
    """The mean 2-norm of each layer's features, and 2-norms of parameters, their gradient and their last change.

    The gradient is what the last update left in `.grad`; the change is against a copy taken after the update before,
    so it includes what a recycler did in between. State: that copy, held only between those two updates.
    """

    @dataclass
    class Config(Schedule):
        """Nothing of its own."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.before: list[Tensor] | None = None

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """norms/<layer>_feature, _weight, _gradient and _update; the last three also per network and in total."""
        layers = learner.hidden_layers()
        metrics = self._measure(learner, layers, sample) if self.config.due(counters.updates) else {}
        self.before = None
        if self.config.due(counters.updates + 1):
            self.before = [parameter.detach().clone() for parameter in parameters(layers)["total"]]
        return metrics

    def _measure(self, learner: Learner, layers: Sequence[HiddenLayer], sample: Sampler) -> Metrics:
        batch = sample(self.config.batch_size)
        hidden = activations(layers, lambda: learner.forward(batch))
        metrics: Metrics = {
            f"{NORMS}/{layer.name}_{FEATURE}": torch.linalg.vector_norm(h.flatten(1), dim=1).mean()
            for layer, h in zip(layers, hidden, strict=True)
        }
        members = parameters(layers)
        changes = self._changes(members["total"])
        for name, group in members.items():
            metrics[f"{NORMS}/{name}_{WEIGHT}"] = get_total_norm([parameter.detach() for parameter in group])
            metrics[f"{NORMS}/{name}_{GRADIENT}"] = get_total_norm([gradient(parameter) for parameter in group])
            if changes:
                metrics[f"{NORMS}/{name}_{UPDATE}"] = get_total_norm([changes[parameter] for parameter in group])
        return metrics

    def _changes(self, group: Sequence[nn.Parameter]) -> dict[nn.Parameter, Tensor]:
        """Empty at the very first update when every update is measured: there is no copy from before it."""
        if self.before is None:
            return {}
        return {
            p: p.detach() - before.to(p.device, non_blocking=True) for p, before in zip(group, self.before, strict=True)
        }

    def state_dict(self) -> dict[str, Any]:
        """The copy of the parameters, or None."""
        return {"before": self.before}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.before = state["before"]


def parameters(layers: Sequence[HiddenLayer]) -> dict[str, list[nn.Parameter]]:
    """Weights and biases of each layer, its norm's included.

    The groups of a network and the total have also those of the output layers that read the layers.
    """
    by_group = {}
    for name, members in groups(layers).items():
        modules: dict[nn.Module, None] = dict.fromkeys(module for i in members for module in layers[i].modules())
        if name not in {layer.name for layer in layers}:
            modules |= dict.fromkeys(reader.layer for i in members for reader in layers[i].readers)
        by_group[name] = [parameter for module in modules for parameter in module.parameters()]
    return by_group


def gradient(parameter: nn.Parameter) -> Tensor:
    """Its `.grad`, zeros where it has none."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
