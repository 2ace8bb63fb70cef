"""How many dimensions the penultimate features span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import activations
from redo_lab.probes import Schedule
from redo_lab.protocols import Learner, Probe
from redo_lab.runs.names import RANK, RANKS
from redo_lab.types import Batch, Counters, Metrics, Sampler


class Rank(Probe[Learner]):
    """Three effective ranks of the features Φ [samples, features] of each network's penultimate layer."""

    @dataclass
    class Config(Schedule):
        """At least `samples` rows, in forwards of `batch_size`. srank holds 1 - `delta` of the singular values' sum.

        Φ gets as many rows as columns where `samples` is less: a rank bounded by the sample would say nothing.
        """

        samples: int
        delta: float

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.samples >= 1, f"samples must be ≥ 1, got {self.samples}")
            require(0 < self.delta < 1, f"delta must lie between 0 and 1, got {self.delta}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """rank/<layer>_srank, rank/<layer>_stable and rank/<layer>_entropy."""
        if not self.config.due(counters.updates):
            return {}
        layers = penultimate(learner.hidden_layers())
        metrics: Metrics = {}
        for layer, phi in zip(layers, self._phi(learner, layers, sample), strict=True):
            sigma = torch.linalg.svdvals(phi.double())
            ranks = (srank(sigma, self.config.delta), stable_rank(sigma), entropy_rank(sigma))
            metrics |= {f"{RANK}/{layer.name}_{kind}": rank for kind, rank in zip(RANKS, ranks, strict=True)}
        return metrics

    def _phi(self, learner: Learner, layers: Sequence[HiddenLayer], sample: Sampler) -> list[Tensor]:
        rows = max(self.config.samples, *(width(layer) for layer in layers))
        draws = range(0, rows, self.config.batch_size)
        parts = [features(learner, layers, sample(self.config.batch_size)) for _ in draws]
        return [torch.cat(of_layer) for of_layer in zip(*parts, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each measurement stands alone."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""


def penultimate(layers: Sequence[HiddenLayer]) -> list[HiddenLayer]:
    """Of each network the last declared layer that has readers: what its output layers read."""
    last = {layer.name.rpartition("/")[0]: layer for layer in layers if layer.readers}
    return list(last.values())


def features(learner: Learner, layers: Sequence[HiddenLayer], batch: Batch) -> list[Tensor]:
    """The outputs of each layer on `batch` as its readers see them: [N, features]."""
    return [h.flatten(1) for h in activations(layers, lambda: learner.forward(batch))]


def width(layer: HiddenLayer) -> int:
    """How many numbers of `layer` its readers see: the columns of Φ."""
    return layer.neurons * layer.readers[0].span


def srank(sigma: Tensor, delta: float) -> Tensor:
    """The fewest of the singular values `sigma` (descending) that hold 1 - delta of their sum; 0 if all are 0.

    Kumar et al. (2021), "Implicit under-parameterization inhibits data-efficient deep RL", section 3.
    """
    held = sigma.cumsum(dim=0)
    missing = (held < (1 - delta) * held[-1]).sum() + 1
    return missing * (held[-1] > 0)


def stable_rank(sigma: Tensor) -> Tensor:
    """‖Φ‖_F² / ‖Φ‖₂² from the singular values (descending); 0 if all are 0."""
    return (sigma / sigma[0].clamp(min=torch.finfo(sigma.dtype).tiny)).square().sum()


def entropy_rank(sigma: Tensor) -> Tensor:
    """exp of the entropy of sigma / sum(sigma) (Roy and Vetterli, 2007); 0 if all are 0."""
    total = sigma.sum()
    shares = sigma / total.clamp(min=torch.finfo(sigma.dtype).tiny)
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy.exp() * (total > 0)
