"""Actions of a tanh policy and the environment's bounds."""

from __future__ import annotations

import torch
from torch import Tensor

from redo_lab.types import Box


class ActionRange:
    """Between the bounds of an environment's actions and [-1, 1], on which a tanh policy and its critics work."""

    def __init__(self, bounds: Box, device: torch.device) -> None:
        self.low, self.high = torch.tensor(bounds.low, device=device), torch.tensor(bounds.high, device=device)
        self.centre, self.half_range = (self.high + self.low) / 2, (self.high - self.low) / 2

    def scaled(self, u: Tensor) -> Tensor:
        """tanh u in the environment's bounds, which rounding mustn't step over."""
        return torch.addcmul(self.centre, self.half_range, u.tanh()).clamp_(self.low, self.high)

    def normalised(self, action: Tensor) -> Tensor:
        """The inverse of `scaled` after tanh: the bounds are -1 and 1."""
        return (action - self.centre) / self.half_range
