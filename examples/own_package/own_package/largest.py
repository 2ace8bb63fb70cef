"""A measurement: the largest weight of each hidden layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redo_lab.protocols import Learner, Probe
from redo_lab.types import Counters, Metrics, Sampler


class Largest(Probe[Learner]):
    """max |w| of each layer's incoming weights, every `period_updates`."""

    @dataclass
    class Config:
        """It draws no batch, so a period is all."""

        period_updates: int

    def __init__(self, config: Config) -> None:
        self.config = config

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """largest/<layer>."""
        if counters.updates % self.config.period_updates:
            return {}
        return {f"largest/{layer.name}": layer.layer.weight.detach().abs().max() for layer in learner.hidden_layers()}

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each measurement stands alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
