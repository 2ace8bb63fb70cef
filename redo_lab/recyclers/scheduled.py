"""Recycling a scheduled number of neurons, chosen in one of several orders (5.5 and C.4 of Sokar et al., 2023)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import (
    activations,
    incoming_magnitude,
    mean_deviation,
    mean_output,
    normalised_score,
    outgoing_magnitude,
)
from redo_lab.neurons.surgery import Surgery, lowest, recycle, recycled_metrics
from redo_lab.protocols import Learner, Recycler
from redo_lab.types import Counters, Metrics, Sampler


class Selection(Enum):
    """Which neurons of a layer go first: those of the lowest or highest score of Eq. 1, any, or the least useful."""

    lowest_score = "lowest_score"
    highest_score = "highest_score"
    random = "random"
    lowest_utility = "lowest_utility"


class ScheduledRecycling(Recycler):
    """Every `period_updates`, of each hidden layer a scheduled number of neurons, first in some order, is recycled."""

    @dataclass
    class Config(Surgery):
        """The share of neurons falls from `rate` at update 0 to 0 at `end_updates`; after that nothing is recycled."""

        selection: Selection
        rate: float
        end_updates: int
        period_updates: int
        batch_size: int

        def __post_init__(self) -> None:
            require(0 < self.rate <= 1, f"rate must lie in (0, 1], got {self.rate}")
            for name in ("end_updates", "period_updates", "batch_size"):
                require(getattr(self, name) >= 1, f"{name} must be ≥ 1, got {getattr(self, name)}")

    def __init__(self, config: Config, *, name: str, generator: torch.Generator) -> None:
        self.config = config
        self.name = name
        self.generator = generator

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Recycles when due; returns how many neurons of each layer, and in total."""
        if counters.updates % self.config.period_updates or counters.updates >= self.config.end_updates:
            return {}
        layers = [layer for layer in learner.hidden_layers() if layer.readers]
        batch = sample(self.config.batch_size)
        outputs = activations(layers, lambda: learner.forward(batch))
        share = cosine_share(self.config.rate, counters.updates, self.config.end_updates)
        selection = self.choose(layers, outputs, share)
        recycle(layers, selection, learner.optimizers, self.config, self.generator)
        return recycled_metrics(self.name, layers, selection)

    @torch.no_grad()
    def choose(self, layers: Sequence[HiddenLayer], outputs: Sequence[Tensor], share: float) -> list[Tensor]:
        """Of each layer the `share` of neurons that are lowest in the selection's order."""
        order = _ORDERS[self.config.selection]
        return [
            lowest(order(layer, h), count(share, layer.neurons), self.generator)
            for layer, h in zip(layers, outputs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """The recycling generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.generator.set_state(state["generator"])


def cosine_share(rate: float, updates: int, end_updates: int) -> float:
    """rate * cos(π/2 * updates / end_updates), 0 from `end_updates` on."""
    return rate * math.cos(math.pi / 2 * updates / end_updates) if updates < end_updates else 0.0


def count(share: float, neurons: int) -> int:
    """`share` of `neurons`, rounded, but at least one while the share is positive (as the authors' code)."""
    return max(1, round(share * neurons)) if share > 0 else 0


def utility(layer: HiddenLayer, h: Tensor) -> Tensor:
    """E|h_i - E h_i| * sum|outgoing| / sum|incoming|: Continual Backprop's, of one batch (appendix C.4): [neurons]."""
    return mean_deviation(h, mean_output(h)) * outgoing_magnitude(layer) / incoming_magnitude(layer)


_ORDERS: dict[Selection, Callable[[HiddenLayer, Tensor], Tensor]] = {
    Selection.lowest_score: lambda layer, h: normalised_score(h),
    Selection.highest_score: lambda layer, h: -normalised_score(h),
    # All equal: `lowest` breaks the ties.
    Selection.random: lambda layer, h: torch.zeros(layer.neurons, device=h.device),
    Selection.lowest_utility: utility,
}
