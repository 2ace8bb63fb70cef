"""A state as bytes that hold data and nothing else: reading them executes nothing, whoever wrote them.

MAGIC, the header's length (8 bytes, little-endian), the header (JSON, the tree), then the memory of arrays and tensors,
each from a multiple of 64 bytes on. In the tree None, bool, int, float, str and lists stand for themselves; all else is
an object with one key, its kind: {"dict": [[key, value], …]}, {"tuple": [value, …]}, {"bytes": place},
{"array" or "scalar": [dtype, shape, order, place]}, {"tensor": [dtype, shape, strides, on a GPU, place]}.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAGIC = b"redo_lab state 1\n"
ALIGNMENT = 64
PLAIN = (type(None), bool, int, float, str)
ARRAY_TYPE = re.compile(r"[<>|][biufcSU]\d{1,9}")
TENSOR_TYPES = {
    str(kind).removeprefix("torch."): kind
    for kind in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.bool),
        *(torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    )
}

Place = list[int]
"""Where memory lies after the header: its first byte and how many bytes it has."""


class StateError(ValueError):
    """A state that can't be saved, or bytes that aren't one."""


def encode(state: object) -> bytes:
    """`state` as bytes: dicts, lists and tuples, nested, of tensors, arrays, NumPy's and Python's scalars and bytes.

    Floats, dtypes and the strides of dense tensors come back exactly. StateError names anything else.
    """
    memory = _Memory()
    tree = memory.tree(state, "state")
    header = json.dumps(tree, separators=(",", ":")).encode()
    header += b" " * (-(len(MAGIC) + 8 + len(header)) % ALIGNMENT)
    return b"".join([MAGIC, len(header).to_bytes(8, "little"), header, *memory.pieces])


def decode(content: bytes, device: torch.device) -> Any:
    """The state that `encode` was given; what was on a GPU is on `device`. StateError if `content` isn't a state."""
    if not content.startswith(MAGIC):
        raise StateError("it doesn't begin as a state of redo_lab does")
    begin = len(MAGIC) + 8
    end = begin + int.from_bytes(content[len(MAGIC) : begin], "little")
    try:
        return _Reader(memoryview(content)[end:], device).value(json.loads(content[begin:end]))
    except (ValueError, TypeError, KeyError, RuntimeError, OverflowError, MemoryError) as error:
        raise StateError(f"it is no state of redo_lab: {error}") from error


class _Memory:
    """Collects the memory of arrays and tensors; `pieces` refer to it, so that joining them is the only copy."""

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []
        self.size = 0

    def tree(self, value: Any, at: str) -> Any:
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is list:
            return [self.tree(part, f"{at}[{index}]") for index, part in enumerate(value)]
        if kind is tuple:
            return {"tuple": [self.tree(part, f"{at}[{index}]") for index, part in enumerate(value)]}
        if isinstance(value, dict):
            items = ((self.tree(key, at), self.tree(part, f"{at}.{key}")) for key, part in value.items())
            return {"dict": [list(item) for item in items]}
        if kind is bytes:
            return {"bytes": self.place(value)}
        if isinstance(value, Tensor):
            return {"tensor": self.tensor(value, at)}
        if kind is np.ndarray or isinstance(value, np.generic):
            return {"array" if kind is np.ndarray else "scalar": self.array(np.asarray(value), at)}
        raise StateError(f"{at} is a {kind.__name__}, which a checkpoint can't hold")

    def place(self, memory: bytes | memoryview) -> Place:
        start, size = self.size, len(memory)
        filling = bytes(-size % ALIGNMENT)
        self.pieces += [memory, filling]
        self.size += size + len(filling)
        return [start, size]

    def array(self, array: NDArray[Any], at: str) -> list[Any]:
        if not ARRAY_TYPE.fullmatch(array.dtype.str):
            raise StateError(f"{at} is an array of {array.dtype}, which a checkpoint can't hold")
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        flat = np.ascontiguousarray(array.T if order == "F" else array).reshape(-1)
        return [array.dtype.str, list(array.shape), order, self.place(flat.view(np.uint8).data)]

    def tensor(self, tensor: Tensor, at: str) -> list[Any]:
        name = str(tensor.dtype).removeprefix("torch.")
        if name not in TENSOR_TYPES or tensor.layout is not torch.strided:
            raise StateError(f"{at} is a tensor of {tensor.layout} {tensor.dtype}, which a checkpoint can't hold")
        here = tensor.detach().resolve_conj().resolve_neg().cpu()
        if not dense(here.shape, here.stride()):
            here = here.contiguous()
        flat = (
            here.as_strided((here.numel(),), (1,)).view(torch.uint8).numpy() if here.numel() else np.empty(0, np.uint8)
        )
        return [name, list(here.shape), list(here.stride()), tensor.is_cuda, self.place(flat.data)]


class _Reader:
    """Trusts nothing: what doesn't fit raises some ValueError, TypeError, KeyError or RuntimeError."""

    def __init__(self, memory: memoryview, device: torch.device) -> None:
        self.memory = memory
        self.device = device

    def value(self, tree: Any) -> Any:
        if isinstance(tree, list):
            return [self.value(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        ((kind, content),) = tree.items()
        match kind:
            case "dict":
                return {self.value(key): self.value(part) for key, part in content}
            case "tuple":
                return tuple([self.value(part) for part in content])
            case "bytes":
                return bytes(self.at(content))
            case "array":
                return self.array(*content)
            case "scalar":
                return self.array(*content)[()]
            case "tensor":
                return self.tensor(*content)
        raise StateError(f"unknown kind {kind}")

    def at(self, place: Place) -> memoryview:
        start, size = place
        if not 0 <= start <= start + size <= len(self.memory):
            raise StateError(f"{size} bytes at {start} of {len(self.memory)}")
        return self.memory[start : start + size]

    def array(self, dtype: str, shape: list[int], order: str, place: Place) -> NDArray[Any]:
        if not ARRAY_TYPE.fullmatch(dtype):
            raise StateError(f"unknown dtype {dtype}")
        memory = np.frombuffer(bytearray(self.at(place)), dtype) if place[1] else np.empty(0, dtype)
        return memory.reshape(shape[::-1]).T if order == "F" else memory.reshape(shape)

    def tensor(self, dtype: str, shape: list[int], strides: list[int], on_gpu: bool, place: Place) -> Tensor:
        kind, memory, elements = TENSOR_TYPES[dtype], self.at(place), math.prod(shape)
        if elements * kind.itemsize != len(memory) or not dense(shape, strides):
            raise StateError(f"a tensor of shape {shape} and strides {strides} in {len(memory)} bytes")
        tensor = torch.empty_strided(shape, strides, dtype=kind)
        if elements:
            tensor.as_strided((elements,), (1,)).view(torch.uint8).numpy()[:] = np.frombuffer(memory, np.uint8)
        return tensor.to(self.device) if on_gpu else tensor


def dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements fill their memory without gap or overlap, in whatever order: channels_last does."""
    expected = 1
    for stride, size in sorted((stride, size) for size, stride in zip(shape, strides, strict=True) if size != 1):
        if size == 0:
            return True
        if stride != expected:
            return False
        expected *= size
    return True
