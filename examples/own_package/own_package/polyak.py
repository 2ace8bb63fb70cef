"""An agent: DQN whose target follows the online network slowly instead of being copied."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from redo_lab.agents.value import ValueAgent


class Polyak(ValueAgent):
    """After every agent step the target moves by `target_smoothing` of the way."""

    @dataclass
    class Config(ValueAgent.Config):
        """DQN's settings and one more."""

        target_smoothing: float

    config: Config

    @torch.no_grad()
    def end_env_step(self, env_step: int) -> None:
        """Moves the target."""
        weight = self.config.target_smoothing
        torch._foreach_lerp_(list(self.target.parameters()), list(self.online.parameters()), weight)
