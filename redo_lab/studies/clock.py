"""How many gradient steps are due: the replay ratio, realised exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class UpdateClock:
    """After `env_steps` agent steps, floor((env_steps - warmup) * ratio) updates are done, at period ends.

    The count follows from the counters alone, so a resumed run continues it exactly. Dopamine makes N updates every 4
    agent steps; `period_env_steps` is that 4.
    """

    ratio: Fraction
    warmup_env_steps: int
    period_env_steps: int
    total_env_steps: int

    def due(self, env_steps: int, updates: int) -> int:
        """Updates to do now, after `updates` of them."""
        if env_steps % self.period_env_steps and env_steps != self.total_env_steps:
            return 0
        return max(0, int((env_steps - self.warmup_env_steps) * self.ratio) - updates)


def exact_ratio(ratio: float) -> Fraction:
    """The decimal number that was typed: 0.1 is 1/10."""
    return Fraction(repr(ratio))
