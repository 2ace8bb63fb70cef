"""Measurements, one a file; here what all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redo_lab.config import require
from redo_lab.neurons.layers import HiddenLayer


@dataclass
class Schedule:
    """A probe measures every `period_updates`, on `batch_size` transitions of a draw of its own."""

    period_updates: int
    batch_size: int

    def __post_init__(self) -> None:
        require(self.period_updates >= 1, f"period_updates must be ≥ 1, got {self.period_updates}")
        require(self.batch_size >= 1, f"batch_size must be ≥ 1, got {self.batch_size}")

    def due(self, updates: int) -> bool:
        """Whether it measures after update number `updates` (1-based)."""
        return updates % self.period_updates == 0


def check_thresholds(thresholds: Sequence[float]) -> None:
    """Raises ConfigError unless there is a τ and none is negative."""
    require(len(thresholds) >= 1, "thresholds must name at least one τ")
    require(min(thresholds) >= 0, f"thresholds must be ≥ 0, got {list(thresholds)}")


def groups(layers: Sequence[HiddenLayer]) -> dict[str, list[int]]:
    """Indices into `layers` by the name they are logged under: each layer, each network if several, and "total"."""
    members = {layer.name: [i] for i, layer in enumerate(layers)}
    for i, layer in enumerate(layers):
        network = layer.name.rpartition("/")[0]
        if network:
            members.setdefault(network, []).append(i)
    return {**members, "total": list(range(len(layers)))}
