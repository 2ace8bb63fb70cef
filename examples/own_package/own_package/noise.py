"""An intervention: noise on all weights, now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from redo_lab.protocols import Learner, Recycler
from redo_lab.types import Counters, Metrics, Sampler


class Noise(Recycler):
    """Every `period_updates`, each weight of each online network is moved by a normal draw times `scale`."""

    @dataclass
    class Config:
        """`scale`: of the noise."""

        scale: float
        period_updates: int

    def __init__(self, config: Config, *, name: str, generator: torch.Generator) -> None:
        self.config, self.name, self.generator = config, name, generator

    @torch.no_grad()
    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Moves the weights when due; logs by how much."""
        if counters.updates % self.config.period_updates:
            return {}
        weights = [weight for network in learner.networks() for weight in network.online.parameters()]
        moves = [torch.empty_like(weight).normal_(generator=self.generator) * self.config.scale for weight in weights]
        torch._foreach_add_(weights, moves)
        return {f"{self.name}/norm": torch.stack([move.norm() for move in moves]).norm()}

    def state_dict(self) -> dict[str, Any]:
        """The generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.generator.set_state(state["generator"])
