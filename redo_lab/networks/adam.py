"""Adam as the agents share it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from redo_lab.config import require


@dataclass
class AdamConfig:
    """Its numbers; betas are PyTorch's, 0.9 and 0.999. Weight decay is a regulariser, not the optimizer's."""

    epsilon: float

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon must be > 0, got {self.epsilon}")

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
        """The optimizer of `parameters`; fused: one kernel for all of them."""
        return torch.optim.Adam(parameters, lr=learning_rate, eps=self.epsilon, fused=True)
