"""The share of dormant neurons by batches of several sizes: how large a batch a score needs (section C.3, Fig. 24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from redo_lab.config import require
from redo_lab.neurons.scores import dormancy_scores
from redo_lab.probes import check_thresholds
from redo_lab.protocols import Learner, Probe
from redo_lab.types import Counters, Metrics, Sampler


class ScoreBatches(Probe[Learner]):
    """Dormant % of all hidden layers together (Definition 3.1), a value for each size of the batch that scores them."""

    @dataclass
    class Config:
        """`batch_sizes`: of the batches, each a draw of its own; `threshold`: the τ at which neurons are counted."""

        period_updates: int
        batch_sizes: list[int]
        threshold: float

        def __post_init__(self) -> None:
            require(self.period_updates >= 1, f"period_updates must be ≥ 1, got {self.period_updates}")
            require(
                bool(self.batch_sizes) and min(self.batch_sizes) >= 1,
                f"batch_sizes must name at least one size ≥ 1, got {self.batch_sizes}",
            )
            check_thresholds([self.threshold])

    def __init__(self, config: Config) -> None:
        self.config = config

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """score_batches/total_32, …: percentages."""
        if counters.updates % self.config.period_updates:
            return {}
        layers = learner.hidden_layers()
        metrics: Metrics = {}
        for size in self.config.batch_sizes:
            batch = sample(size)
            scores = torch.cat(dormancy_scores(layers, lambda batch=batch: learner.forward(batch)))  # type: ignore[misc]
            metrics[f"score_batches/total_{size}"] = 100 * (scores <= self.config.threshold).float().mean()
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each measurement stands alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
