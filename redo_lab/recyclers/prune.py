"""Pruning: dormant neurons are removed for good (section 3 and Fig. 6, Sokar et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import dormancy_scores
from redo_lab.neurons.surgery import Redraws, StepCount, forget, indices, silence
from redo_lab.protocols import Learner, Recycler
from redo_lab.runs.names import PRUNED, TOTAL
from redo_lab.types import Counters, Metrics, Sampler


class Prune(Recycler):
    """Neurons whose score was ≤ `threshold` at a check every `period_updates` have zero weights from then on.

    Removed means: incoming weights, bias, outgoing weights and their moments are 0. Then h = 0 (every activation here
    maps 0 to 0), so all their gradients are 0 and no optimizer moves them; after each update they are zeroed all the
    same, as something else may move them (an L2 pull towards the initial weights).
    """

    @dataclass
    class Config:
        """`threshold` is τ of the paper; `batch_size` that of the batch which scores the neurons."""

        threshold: float
        period_updates: int
        batch_size: int

        def __post_init__(self) -> None:
            require(self.threshold >= 0, f"threshold must be ≥ 0, got {self.threshold}")
            require(self.period_updates >= 1, f"period_updates must be ≥ 1, got {self.period_updates}")
            require(self.batch_size >= 1, f"batch_size must be ≥ 1, got {self.batch_size}")

        def check_beside(self, others: Mapping[str, object]) -> None:
            """Raises ConfigError where another intervention would draw the pruned weights anew."""
            for name, other in others.items():
                require(not isinstance(other, Redraws), f"prune removes neurons for good, {name} would bring them back")

    def __init__(self, config: Config, *, name: str, generator: torch.Generator) -> None:
        self.config = config
        self.name = name
        self._device = generator.device
        self._masks: dict[str, Tensor] = {}
        self._pruned: dict[str, Tensor] = {}

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Prunes when due and holds what is pruned at zero; returns how many neurons are gone when it looked."""
        if counters.updates % self.config.period_updates and not self._pruned:
            return {}
        layers = [layer for layer in learner.hidden_layers() if layer.readers]
        if counters.updates % self.config.period_updates:
            silence(layers, [self._pruned[layer.name] for layer in layers])
            return {}
        batch = sample(self.config.batch_size)
        self._extend(layers, dormancy_scores(layers, lambda: learner.forward(batch)))
        pruned = [self._pruned[layer.name] for layer in layers]
        silence(layers, pruned)
        forget(layers, pruned, learner.optimizers, _MOMENTS)
        return self._metrics(layers, pruned)

    def _extend(self, layers: Sequence[HiddenLayer], scores: Sequence[Tensor]) -> None:
        for layer, score in zip(layers, scores, strict=True):
            dormant = score <= self.config.threshold
            self._masks[layer.name] = dormant | self._masks.get(layer.name, torch.zeros_like(dormant))
        self._find()

    def _find(self) -> None:
        self._pruned = dict(zip(self._masks, indices(list(self._masks.values())), strict=True)) if self._masks else {}

    def _metrics(self, layers: Sequence[HiddenLayer], pruned: Sequence[Tensor]) -> Metrics:
        counts = [neurons.numel() for neurons in pruned]
        names = [f"{self.name}/{PRUNED}_{layer.name}" for layer in layers]
        values = torch.tensor([*counts, sum(counts)]).to(pruned[0].device, non_blocking=True)
        return dict(zip([*names, f"{self.name}/{PRUNED}_{TOTAL}"], values.unbind(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Which neurons are gone: a mask [neurons] a layer."""
        return {"masks": {name: mask.clone() for name, mask in self._masks.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self._masks = {name: mask.to(self._device) for name, mask in state["masks"].items()}
        self._find()


@dataclass(frozen=True)
class _Moments:
    reset_moments: bool
    step_count: StepCount


_MOMENTS = _Moments(reset_moments=True, step_count=StepCount.keep)
