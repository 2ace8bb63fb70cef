"""The size of the values and of the TD errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redo_lab.probes import Schedule
from redo_lab.protocols import Probe, TDCritic
from redo_lab.types import Counters, Metrics, Sampler


class Values(Probe[TDCritic]):
    """Means over a batch of Q of the stored actions, of the TD error target - Q, and of its absolute value."""

    @dataclass
    class Config(Schedule):
        """Nothing of its own."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def after_update(self, learner: TDCritic, counters: Counters, sample: Sampler) -> Metrics:
        """values/<critic>_mean, values/<critic>_td_error_mean and values/<critic>_td_error_abs_mean."""
        if not self.config.due(counters.updates):
            return {}
        metrics: Metrics = {}
        for critic, (q, target) in learner.q_and_target(sample(self.config.batch_size)).items():
            td_error = target - q
            metrics[f"values/{critic}_mean"] = q.mean()
            metrics[f"values/{critic}_td_error_mean"] = td_error.mean()
            metrics[f"values/{critic}_td_error_abs_mean"] = td_error.abs().mean()
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each measurement stands alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
