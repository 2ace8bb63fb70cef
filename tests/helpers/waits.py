"""Counting what would make the host wait for a GPU, seen on a CPU: values read back, copies that block."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::is_nonzero", "aten::equal"}
READS |= {"aten::_unique2", "aten::unique_dim", "aten::unique_consecutive", "aten::_linalg_svd"}
MASKED = {"aten::index", "aten::index_put_", "aten::index_put"}
"""They wait for the number of True entries when they are given a mask."""
BLOCKING = {Tensor.to, Tensor.cpu, Tensor.cuda, Tensor.tolist, torch.tensor, torch.as_tensor}


class _Functions(TorchFunctionMode):
    def __init__(self, waits: list[str]) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # PyTorch's own code moves tensors to the device on which they are: that copies nothing.
        ours = f"{os.sep}torch{os.sep}" not in sys._getframe(1).f_code.co_filename
        if func in BLOCKING and ours and self._waits(func, args, kwargs):
            self.waits.append(func.__name__)
        return func(*args, **kwargs)

    @staticmethod
    def _waits(func: Any, args: Any, kwargs: Any) -> bool:
        """Whether it would on a GPU: a copy from or to a device that isn't said not to block."""
        if func in (Tensor.cpu, Tensor.tolist):
            return True
        devices = [value for value in (*args, *kwargs.values()) if isinstance(value, (torch.device, Tensor))]
        moved = len(devices) > (0 if func in (torch.tensor, torch.as_tensor) else 1)
        return moved and not kwargs.get("non_blocking", False)


class _Operations(TorchDispatchMode):
    def __init__(self, waits: list[str]) -> None:
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        by_mask = any(isinstance(t, Tensor) and t.dtype is torch.bool for t in tree_leaves(args[1:2]))
        if name in READS or (name in MASKED and by_mask):
            self.waits.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def waits() -> Iterator[list[str]]:
    """Within it, a list of all that would have waited, by name."""
    names: list[str] = []
    with _Functions(names), _Operations(names):
        yield names
