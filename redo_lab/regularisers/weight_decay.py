"""Weight decay as the paper's baseline: L2 added to the gradient before Adam (coupled, not AdamW; appendix A)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.layers import Network
from redo_lab.protocols import GradientHook, Learner


class WeightDecay(GradientHook):
    """Before each step every weight and bias w of the networks has `coefficient` * w added to its gradient."""

    capturable: ClassVar[bool] = True  # the same operations on the same tensors at each update

    @dataclass
    class Config:
        """`actor_factor` multiplies the coefficient for a network named `actor` (SAC's)."""

        coefficient: float
        actor_factor: float

        def __post_init__(self) -> None:
            require(self.coefficient > 0, f"coefficient must be > 0, got {self.coefficient}")
            require(self.actor_factor >= 0, f"actor_factor must be ≥ 0, got {self.actor_factor}")

    def __init__(self, config: Config, *, name: str, learner: Learner, generator: torch.Generator) -> None:
        self.config = config

    @torch.no_grad()
    def before_step(self, network: Network) -> None:
        """Adds to the gradients of `network`; parameters without one stay as they are."""
        coefficient = self.config.coefficient * (self.config.actor_factor if network.name == "actor" else 1)
        trained = [parameter for parameter in network.online.parameters() if parameter.grad is not None]
        gradients: list[Tensor] = [parameter.grad for parameter in trained if parameter.grad is not None]
        torch._foreach_add_(gradients, list[Tensor](trained), alpha=coefficient)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: it remembers nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
