"""Metrics on their way from their devices to the sinks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from redo_lab.attempt import metrics_log
from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.types import Counters, Row

GPU = torch.device("cuda", 0)


class OnGpu(Tensor):
    """A number that says it is on a GPU, so that no GPU is needed."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU


def on_gpu(value: float) -> Tensor:
    return torch.tensor(value).as_subclass(OnGpu)


def test_numbers_of_several_devices_come_in_their_places_by_one_transfer_from_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transfers: list[tuple[torch.device, int]] = []
    stack = torch.stack

    def stacked(tensors: Sequence[Tensor]) -> Tensor:
        (device,) = {tensor.device for tensor in tensors}
        transfers.append((device, len(tensors)))
        return stack(list(tensors))

    monkeypatch.setattr(metrics_log.torch, "stack", stacked)
    rows: list[Row] = []
    log = MetricsLog([rows.extend])
    log.add(Counters(1, 1), {"train/loss": on_gpu(1), "probe/a": torch.tensor(2, dtype=torch.int64), "probe/b": 3.0})
    log.add(Counters(2, 2), {"probe/a": torch.tensor(4.0), "train/loss": on_gpu(5), "train/q_mean": on_gpu(6)})
    log.flush()
    assert rows == [
        Row(1, 1, {"train/loss": 1, "probe/a": 2, "probe/b": 3}),
        Row(2, 2, {"probe/a": 4, "train/loss": 5, "train/q_mean": 6}),
    ]
    assert transfers == [(GPU, 3), (torch.device("cpu"), 2)]
