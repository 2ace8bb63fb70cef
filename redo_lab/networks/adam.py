"""Adam as the agents share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from redo_lab.config import require


@dataclass
class AdamConfig:
    """Its numbers; betas are PyTorch's, 0.9 and 0.999. Weight decay is a regulariser, not the optimizer's."""

    epsilon: float

    def __post_init__(self) -> None:
        require(self.epsilon > 0, f"epsilon must be > 0, got {self.epsilon}")

    def over(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, *, capturable: bool = False
    ) -> torch.optim.Adam:
        """The optimizer of `parameters`; fused: one kernel for all of them. capturable: a CUDA graph may record it."""
        return torch.optim.Adam(parameters, lr=learning_rate, eps=self.epsilon, fused=True, capturable=capturable)


@torch.no_grad()
def restore(optimizer: torch.optim.Adam, saved: Mapping[str, Any]) -> None:
    """`optimizer` continues from `saved`, its state_dict at another time; what records its step stays its own choice.

    State that is there already changes in place, so that a CUDA graph that was recorded before stays valid.
    """
    before = {parameter: dict(state) for parameter, state in optimizer.state.items()}
    capturable = [group["capturable"] for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(saved))
    for group, own in zip(optimizer.param_groups, capturable, strict=True):
        group["capturable"] = own
    for parameter, state in before.items():
        loaded = optimizer.state.get(parameter, {})
        for name, tensor in state.items():
            # A state before the first step has none: the moments and counts that Adam would make then are zeros.
            tensor.copy_(loaded[name]) if name in loaded else tensor.zero_()
        optimizer.state[parameter] = state
