"""The share of dormant neurons at several thresholds, from one pass over one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import dormancy_scores
from redo_lab.probes import Schedule, check_thresholds, groups
from redo_lab.protocols import Learner, Probe
from redo_lab.runs.names import DORMANT, tau_text
from redo_lab.types import Counters, Metrics, Sampler


class Dormancy(Probe[Learner]):
    """Dormant % (Eq. 1 and Definition 3.1, Sokar et al., 2023) per hidden layer, per network and in total."""

    @dataclass
    class Config(Schedule):
        """`thresholds`: the τ at which neurons are counted."""

        thresholds: list[float]

        def __post_init__(self) -> None:
            super().__post_init__()
            check_thresholds(self.thresholds)

    def __init__(self, config: Config) -> None:
        self.config = config

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Percentages, named dormant/<layer>_tau0p1 for τ = 0.1; dormant/total_tau0p1 is over all neurons."""
        if not self.config.due(counters.updates):
            return {}
        layers = learner.hidden_layers()
        batch = sample(self.config.batch_size)
        scores = dormancy_scores(layers, lambda: learner.forward(batch))
        metrics: Metrics = {}
        for threshold in self.config.thresholds:
            for name, percent in dormant_percentages(layers, scores, threshold).items():
                metrics[f"{DORMANT}/{name}_tau{tau_text(threshold)}"] = percent
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each measurement stands alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""


def dormant_percentages(layers: Sequence[HiddenLayer], scores: Sequence[Tensor], threshold: float) -> dict[str, Tensor]:
    """100 * dormant / neurons of every group: score ≤ threshold is dormant."""
    counts = [(score <= threshold).sum() for score in scores]
    return {
        name: 100 * torch.stack([counts[i] for i in members]).sum() / sum(layers[i].neurons for i in members)
        for name, members in groups(layers).items()
    }
