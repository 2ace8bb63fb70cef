"""Where a replay's frames lie: in an array of the host, or in the memory of the device that learns from them."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redo_lab.config import require

HostFrames = NDArray[np.uint8 | np.float32]

ROOM_BYTES = 2 * 2**30
"""Of a GPU's memory left free by `auto` and asked for by `cuda`, for networks, batches and PyTorch itself."""


class Placement(Enum):
    """cpu: in the host's memory; cuda: in the GPU's; auto: in the GPU's if the run is on one and they fit."""

    cpu = "cpu"
    cuda = "cuda"
    auto = "auto"

    def of(self, device: torch.device, frame_bytes: int) -> torch.device:
        """Where `frame_bytes` of frames go, of a run on `device`; ConfigError where that must be a GPU."""
        if self is Placement.cuda:
            require(device.type == "cuda", f"replay.device=cuda needs device=cuda, and device is {device.type}")
            return device
        if self is Placement.auto and device.type == "cuda" and frame_bytes + ROOM_BYTES <= free_bytes(device):
            return device
        return torch.device("cpu")


def free_bytes(device: torch.device) -> int:
    """Of the memory of a GPU, what nothing has taken yet; what PyTorch holds back for reuse counts as free."""
    reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + reusable


class DeviceFrames:
    """Frames [capacity, …] in the memory of `device`, read and written as the array that they replace.

    What is read by index is a copy on the host. Writing waits for nothing: it takes its place among the device's work.
    """

    def __init__(self, shape: tuple[int, ...], dtype: type, device: torch.device) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.tensor = torch.zeros(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, device=device)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, slots: NDArray[np.int64] | int) -> NDArray[Any]:
        if isinstance(slots, int):
            return self.tensor[slots].cpu().numpy().copy()
        return self.tensor.index_select(0, self._index(slots)).cpu().numpy()

    def __setitem__(self, slots: NDArray[np.int64] | int, frames: NDArray[Any]) -> None:
        fresh = torch.from_numpy(np.ascontiguousarray(frames)).to(self.tensor.device, non_blocking=True)
        if isinstance(slots, int):
            self.tensor[slots] = fresh
        else:
            self.tensor.index_copy_(0, self._index(slots), fresh)

    def windows(self, slots: NDArray[np.int64], empty: NDArray[np.bool_]) -> Tensor:
        """The frames at `slots` [N], those where `empty` [N] all zeros, in memory of their own on the device."""
        window = self.tensor.index_select(0, self._index(slots))
        if empty.any():
            mask = torch.from_numpy(empty).to(window.device, non_blocking=True)
            window.masked_fill_(mask.view(-1, *[1] * (window.dim() - 1)), 0)
        return window

    def _index(self, slots: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(slots % len(self)).to(self.tensor.device, non_blocking=True)
