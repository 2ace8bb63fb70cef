"""Adam as the agents share it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from redo_lab.config import require


@dataclass
class AdamConfig:
    """`weight_decay` is L2 added to the gradient (coupled), as in the paper's baseline."""

    epsilon: float
    weight_decay: float

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon must be > 0, got {self.epsilon}")
        require(self.weight_decay >= 0, f"weight_decay must be ≥ 0, got {self.weight_decay}")

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
        """The optimizer of `parameters`; fused: one kernel for all of them."""
        return torch.optim.Adam(
            parameters, lr=learning_rate, eps=self.epsilon, weight_decay=self.weight_decay, fused=True
        )
