"""The settings of every agent that learns from a replay. They lie here because agents don't import each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import nn

from redo_lab.config import require
from redo_lab.networks.adam import AdamConfig
from redo_lab.networks.compiling import Compile
from redo_lab.networks.precision import Precision


@dataclass
class OffPolicyConfig:
    """What an agent's `Config` begins with. Adam's step is `learning_rate` × `learning_rate_scale`."""

    learning_rate: float
    learning_rate_scale: float
    discount: float
    n_step: int
    batch_size: int
    warmup_env_steps: int
    update_period_env_steps: int
    optimizer: AdamConfig
    # Of runs begun before there were these choices; by keyword, so that a subclass may have settings of its own.
    compile: Compile = field(default=Compile.off, kw_only=True)
    precision: Precision = field(default=Precision.fp32, kw_only=True)
    act_ahead: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("learning_rate", "learning_rate_scale"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        require(0 <= self.discount <= 1, f"discount must lie in [0, 1], got {self.discount}")
        for name in ("n_step", "batch_size", "update_period_env_steps"):
            require(getattr(self, name) >= 1, f"{name} must be ≥ 1, got {getattr(self, name)}")
        require(self.warmup_env_steps >= 0, f"warmup_env_steps must be ≥ 0, got {self.warmup_env_steps}")

    def adam(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
        """The optimizer of `parameters`, such that a CUDA graph may record it where updates are one."""
        rate = self.learning_rate * self.learning_rate_scale
        return self.optimizer.over(parameters, rate, capturable=self.compile is Compile.graph)
