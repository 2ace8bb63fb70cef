"""A regulariser: biases of hidden layers stay small, so that no neuron is switched off for every input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.layers import Network
from redo_lab.protocols import Learner, Regulariser
from redo_lab.types import Batch, Sampler


class SmallBiases(Regulariser):
    """The loss has `coefficient` * Σ b² added, over all biases b of the hidden layers that it trains."""

    @dataclass
    class Config:
        """`coefficient`: of the sum."""

        coefficient: float

        def __post_init__(self) -> None:
            require(self.coefficient > 0, f"coefficient must be > 0, got {self.coefficient}")

    def __init__(self, config: Config, *, name: str, learner: Learner, generator: torch.Generator) -> None:
        self.config, self.name = config, name

    def loss(self, network: Network, batch: Batch, sample: Sampler) -> Tensor:
        """Logged as small_biases/penalty."""
        biases = [layer.layer.bias for layer in network.hidden if layer.layer.bias is not None]
        return self.config.coefficient * torch.cat(biases).square().sum()

    def state_dict(self) -> dict[str, Any]:
        """Nothing: it remembers nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
