"""A state comes back exactly, and bytes from anyone else never do more than raise."""

from __future__ import annotations

import io
import math
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from redo_lab.state_bytes import MAGIC, StateError, decode, encode

CPU = torch.device("cpu")


def again(state: object) -> Any:
    return decode(encode(state), CPU)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**130), 2**130), st.floats(allow_subnormal=False), st.text(), st.binary()
)
keys = st.one_of(st.text(), st.integers(), st.booleans(), st.tuples(st.integers(), st.text()))
states = st.recursive(
    scalars,
    lambda part: st.one_of(
        st.lists(part), st.lists(part).map(tuple), st.dictionaries(keys, part), st.just({"dict": [], "x": 1})
    ),
    max_leaves=20,
)


@settings(max_examples=100)
@given(states)
def test_python_values_come_back_with_their_types_and_order(state: object) -> None:
    # repr tells True from 1, a tuple from a list, -0.0 from 0.0, and the order of a dict.
    assert repr(again(state)) == repr(state)


@pytest.mark.parametrize("number", [0.1 + 0.2, -0.0, math.inf, -math.inf, 1.7976931348623157e308])
def test_floats_are_exact(number: float) -> None:
    assert again(number).hex() == number.hex()
    assert math.isnan(again(math.nan))


def test_a_dict_that_looks_like_the_format_itself_is_only_a_dict() -> None:
    state = {"tensor": ["float32", [], [], False, [0, 4]], "dict": {"tuple": (1,)}}
    assert again(state) == state


def test_a_generator_of_128_bits_goes_on_where_it_was() -> None:
    generator = np.random.default_rng(3)
    generator.random(5)
    other = np.random.default_rng(0)
    other.bit_generator.state = again(generator.bit_generator.state)
    assert other.random(10).tolist() == generator.random(10).tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=">i4").reshape(3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::2],
        np.array(1.5, np.float16),
        np.zeros((0, 3), np.int8),
        np.array(["a", "größer"]),
        np.array([True, False]),
        np.array([1 + 2j], np.complex64),
    ],
    ids=lambda array: f"{array.dtype.str} {array.shape}",
)
def test_arrays_keep_dtype_shape_and_order_and_may_be_changed(array: np.ndarray) -> None:
    back = again(array)
    assert (back.dtype.str, back.shape) == (array.dtype.str, array.shape)
    assert np.array_equal(back, array)
    assert back.flags.f_contiguous == array.flags.f_contiguous
    assert back.flags.writeable


@pytest.mark.parametrize("scalar", [np.float32(0.1), np.int64(-3), np.bool_(True), np.str_("x"), np.float64(0.1)])
def test_a_scalar_of_numpy_stays_one(scalar: np.generic) -> None:
    assert type(again(scalar)) is type(scalar)
    assert again(scalar) == scalar


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24.0).reshape(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        torch.arange(8.0).reshape(8, 1, 1, 1).contiguous(memory_format=torch.channels_last),
        torch.arange(6).reshape(2, 3).T,
        torch.arange(9, dtype=torch.bfloat16)[3:],
        torch.tensor(2.5, dtype=torch.float64),
        torch.zeros(0, 4),
        torch.tensor([True, False]),
        torch.tensor([math.nan, -0.0, math.inf]),
        nn.Parameter(torch.ones(2)),
    ],
    ids=lambda tensor: f"{tensor.dtype} {tuple(tensor.shape)} {tensor.stride()}",
)
def test_tensors_keep_dtype_and_strides_and_every_bit(tensor: torch.Tensor) -> None:
    back = again(tensor)
    assert (back.dtype, back.shape, back.stride()) == (tensor.dtype, tensor.shape, tensor.stride())
    assert torch.equal(back.contiguous().view(-1).view(torch.uint8), tensor.detach().reshape(-1).view(torch.uint8))
    assert not back.requires_grad


@pytest.mark.parametrize(
    "tensor", [torch.arange(10)[::2], torch.ones(1, 3).expand(4, 3), torch.arange(6).unfold(0, 3, 1)]
)
def test_a_tensor_with_gaps_or_overlap_comes_back_without_them(tensor: torch.Tensor) -> None:
    assert torch.equal(again(tensor), tensor)
    assert again(tensor).is_contiguous()
    assert len(encode(tensor)) <= 192 + 8 * tensor.numel() + 64


def test_what_was_on_a_gpu_is_put_on_the_device_and_the_rest_stays_on_the_cpu() -> None:
    content = encode({"here": torch.ones(2), "there": torch.ones(2)})
    there = content.rindex(b"false")
    # `meta` stands in for a GPU.
    moved = decode(content[:there] + b" true" + content[there + 5 :], torch.device("meta"))
    assert (moved["here"].device.type, moved["there"].device.type) == ("cpu", "meta")


def network_and_optimizer() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 1, 2)).to(memory_format=torch.channels_last)
    return network, torch.optim.Adam(network.parameters(), lr=0.1)


def steps(network: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for step in range(count):
        batch = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        network(batch).square().mean().backward()
        optimizer.step()


def test_training_goes_on_bit_for_bit() -> None:
    network, optimizer = network_and_optimizer()
    steps(network, optimizer, 3)
    saved = encode({"network": network.state_dict(), "optimizer": optimizer.state_dict()})
    steps(network, optimizer, 3)
    other, other_optimizer = network_and_optimizer()
    state = decode(saved, CPU)
    other.load_state_dict(state["network"])
    other_optimizer.load_state_dict(state["optimizer"])
    steps(other, other_optimizer, 3)
    for one, two in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_bytes_are_those_of_the_moment_of_saving() -> None:
    tensor, array = torch.zeros(4), np.zeros(4)
    saved = encode([tensor, array])
    tensor.fill_(1)
    array.fill(1)
    assert decode(saved, CPU)[0].tolist() == decode(saved, CPU)[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({1, 2}, "a set"),
        (Path("x"), "a PosixPath"),
        (np.array([None]), "an array of object"),
        (np.zeros(2, "i4,f4"), "an array of"),
        (torch.ones(2).to_sparse(), "a tensor of torch.sparse_coo"),
        (torch.Size([1]), "a Size"),
        (len, "a builtin_function_or_method"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_it_cannot_hold_is_refused_by_name(value: object, what: str) -> None:
    with pytest.raises(StateError, match=rf"^state\.env\.games\[1\] is {what}.*, which a checkpoint can't hold$"):
        encode({"env": {"games": [0, value]}})


def test_a_dict_of_another_class_comes_back_as_a_dict() -> None:
    assert type(again(OrderedDict(b=1, a=2))) is dict
    assert list(again(OrderedDict(b=1, a=2))) == ["b", "a"]


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("dump", [pickle.dumps, lambda value: saved_by_torch(value)], ids=["pickle", "torch.save"])
def test_a_pickle_is_refused_and_not_executed(
    dump: Callable[[object], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (dump(Bomb()), MAGIC + dump(Bomb())):
        with pytest.raises(StateError):
            decode(content, CPU)
    assert list(tmp_path.iterdir()) == []


def saved_by_torch(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def with_header(header: bytes, memory: bytes = b"") -> bytes:
    return MAGIC + len(header).to_bytes(8, "little") + header + memory


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b'{"code": 1}',
        b'{"dict": 1}',
        b'{"dict": [[1]]}',
        b'{"dict": [[[], 1]]}',
        b'{"bytes": [0, 9]}',
        b'{"bytes": [-1, 2]}',
        b'{"bytes": [0, -1]}',
        b'{"array": ["|O8", [1], "C", [0, 8]]}',
        b'{"array": ["<f4", [3], "C", [0, 8]]}',
        b'{"array": ["<f4", [1000000000000], "C", [0, 0]]}',
        b'{"tensor": ["float32", [1000000000000], [1], false, [0, 8]]}',
        b'{"tensor": ["float32", [2], [1000000], false, [0, 8]]}',
        b'{"tensor": ["float32", [-1, -2], [2, 1], false, [0, 8]]}',
        b'{"tensor": ["load", [2], [1], false, [0, 8]]}',
        b'{"tensor": ["float32", "2", [1], false, [0, 8]]}',
        b"9" * 5000,
        b"[" * 200_000,
        b'{"tuple": [' * 20_000 + b"]}" * 20_000,
        b"\xff",
    ],
    ids=lambda header: header[:40].decode("latin1"),
)
def test_a_header_made_up_by_someone_is_refused(header: bytes) -> None:
    with pytest.raises(StateError, match="no state of redo_lab"):
        decode(with_header(header, bytes(8)), CPU)
