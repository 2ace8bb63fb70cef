"""Whether dormant neurons stay dormant: the overlap of the dormant set now with earlier ones."""

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
from redo_lab.runs.names import OVERLAP, tau_text
from redo_lab.types import Counters, Metrics, Sampler


class Overlap(Probe[Learner]):
    """Overlap of the dormant set X with the previous one P and with the union H of all earlier ones, in %.

    The coefficient is |X ∩ Y| / min(|X|, |Y|) (Fig. 5, Sokar et al., 2023); the share kept, |X ∩ P| / |P|, is what the
    authors' code logs. Each is 0 where a set is empty (as in that code); the sizes, logged too, tell these apart.
    Nothing is logged at the first measurement. State: P and H, boolean [thresholds, neurons of all layers].
    """

    @dataclass
    class Config(Schedule):
        """`thresholds`: the τ at which the sets are formed."""

        thresholds: list[float]

        def __post_init__(self) -> None:
            super().__post_init__()
            check_thresholds(self.thresholds)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.previous: Tensor | None = None
        self.historical: Tensor | None = None

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Percentages and sizes, named overlap/<layer>_<what>_tau0 for τ = 0."""
        if not self.config.due(counters.updates):
            return {}
        layers = learner.hidden_layers()
        batch = sample(self.config.batch_size)
        scores = torch.cat(dormancy_scores(layers, lambda: learner.forward(batch)))
        now = torch.stack([scores <= threshold for threshold in self.config.thresholds])
        if self.previous is None or self.historical is None:
            self.previous = self.historical = now
            return {}
        previous, historical = (mask.to(now.device, non_blocking=True) for mask in (self.previous, self.historical))
        metrics = self._compare(layers, now, previous, historical)
        self.previous, self.historical = now, historical | now
        return metrics

    def _compare(self, layers: Sequence[HiddenLayer], now: Tensor, previous: Tensor, historical: Tensor) -> Metrics:
        sets = (now, previous, historical, now & previous, now & historical)
        counts = [sizes(layers, members) for members in sets]
        metrics: Metrics = {}
        for name in groups(layers):
            x, p, h, x_and_p, x_and_h = (count[name] for count in counts)
            values = {
                "previous": percent(x_and_p, torch.minimum(x, p)),
                "historical": percent(x_and_h, torch.minimum(x, h)),
                "kept": percent(x_and_p, p),
                "neurons": x,
                "historical_neurons": h,
            }
            for what, per_threshold in values.items():
                for threshold, value in zip(self.config.thresholds, per_threshold, strict=True):
                    metrics[f"{OVERLAP}/{name}_{what}_tau{tau_text(threshold)}"] = value
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """The previous and the historical set."""
        return {"previous": self.previous, "historical": self.historical}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.previous, self.historical = state["previous"], state["historical"]


def sizes(layers: Sequence[HiddenLayer], sets: Tensor) -> dict[str, Tensor]:
    """How many neurons of each group are in each of the `sets` [thresholds, neurons of all layers]: [thresholds]."""
    counts = [part.sum(dim=1) for part in torch.split(sets, [layer.neurons for layer in layers], dim=1)]
    return {name: torch.stack([counts[i] for i in members]).sum(dim=0) for name, members in groups(layers).items()}


def percent(part: Tensor, whole: Tensor) -> Tensor:
    """100 * part / whole, 0 where whole is 0."""
    return 100 * part / whole.clamp(min=1)
