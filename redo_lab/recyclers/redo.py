"""ReDo: recycle the dormant neurons every so many updates (Algorithm 1, Sokar et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.scores import dormancy_scores
from redo_lab.neurons.surgery import Surgery, indices, recycle, recycled_metrics
from redo_lab.protocols import Learner, Recycler
from redo_lab.types import Counters, Metrics, Sampler


class ReDo(Recycler):
    """Every `period_updates`, neurons whose score on a fresh batch is ≤ `threshold` are recycled."""

    @dataclass
    class Config(Surgery):
        """`threshold` is τ of the paper; `batch_size` that of the batch which scores the neurons."""

        threshold: float
        period_updates: int
        batch_size: int

        def __post_init__(self) -> None:
            require(self.threshold >= 0, f"threshold must be ≥ 0, got {self.threshold}")
            require(self.period_updates >= 1, f"period_updates must be ≥ 1, got {self.period_updates}")
            require(self.batch_size >= 1, f"batch_size must be ≥ 1, got {self.batch_size}")

    def __init__(self, config: Config, *, name: str, generator: torch.Generator) -> None:
        self.config = config
        self.name = name
        self.generator = generator

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Recycles when due; returns how many neurons of each layer, and in total."""
        if counters.updates % self.config.period_updates:
            return {}
        layers = [layer for layer in learner.hidden_layers() if layer.readers]
        batch = sample(self.config.batch_size)
        selection = indices(self.choose(dormancy_scores(layers, lambda: learner.forward(batch))))
        recycle(layers, selection, learner.optimizers, self.config, self.generator)
        return recycled_metrics(self.name, layers, selection)

    def choose(self, scores: Sequence[Tensor]) -> list[Tensor]:
        """The τ-dormant neurons: score ≤ threshold."""
        return [score <= self.config.threshold for score in scores]

    def state_dict(self) -> dict[str, Any]:
        """The recycling generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.generator.set_state(state["generator"])
