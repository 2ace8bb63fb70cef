"""Metrics on their way from the device to metrics.csv and the tracker."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from redo_lab.protocols import Journal
from redo_lab.types import Counters, Row

Sink = Callable[[Sequence[Row]], None]


class NonFinite(Exception):
    """A measurement is NaN or infinite: training has diverged."""


class MetricsLog(Journal):
    """Holds tensors on their devices until `flush`, which fetches all of a device at once, for every sink."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._pending: list[tuple[int, int, dict[str, Tensor | float]]] = []
        self.on_give_up: Callable[[str], None] = lambda reason: None
        self._latest: dict[str, float] = {}

    def give_up(self, reason: str) -> None:
        """The attempt writes that the run has failed."""
        self.on_give_up(reason)

    @property
    def latest(self) -> dict[str, float]:
        """The newest value of each name, as of the last flush."""
        return self._latest

    def add(self, counters: Counters, values: Mapping[str, Tensor | float]) -> None:
        """`values` belong to this moment; those of one moment share a row."""
        if not values:
            return
        moment = (counters.env_steps, counters.updates)
        if not self._pending or self._pending[-1][:2] != moment:
            self._pending.append((*moment, {}))
        self._pending[-1][2].update(values)

    def flush(self) -> None:
        """Every sink has every row, `latest` the newest value of each name; NonFinite stops at the first bad row."""
        if not self._pending:
            return
        tensors = [v for _, _, values in self._pending for v in values.values() if isinstance(v, Tensor)]
        fetched = iter(_fetched(tensors))
        rows = [
            Row(env_steps, updates, {n: next(fetched) if isinstance(v, Tensor) else v for n, v in values.items()})
            for env_steps, updates, values in self._pending
        ]
        self._pending.clear()
        whole = [*itertools.takewhile(_finite, rows)]
        for row in whole:
            self._latest.update(row.values)
        for sink in self._sinks:
            sink(whole)
        if len(whole) < len(rows):
            bad = rows[len(whole)]
            names = ", ".join(name for name, value in bad.values.items() if not math.isfinite(value))
            raise NonFinite(f"{names} is not finite at update {bad.updates} ({bad.env_steps} agent steps)")


def _fetched(tensors: Sequence[Tensor]) -> list[float]:
    """Their values, in their order, by one transfer from each device: a part may measure on the CPU beside a GPU."""
    numbers: dict[torch.device, Iterator[float]] = {}
    for device in dict.fromkeys(tensor.device for tensor in tensors):
        own = [tensor.double() for tensor in tensors if tensor.device == device]
        numbers[device] = iter(torch.stack(own).tolist())
    return [next(numbers[tensor.device]) for tensor in tensors]


def _finite(row: Row) -> bool:
    return all(math.isfinite(value) for value in row.values.values())
