from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest
import torch

from redo_lab.networks.graphed import GraphedUpdate
from tests.helpers.tape import Tape
from tests.helpers.waits import waits

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """The name of a device of this machine."""
    name: str = request.param
    return name


@pytest.fixture
def near(device: str) -> Callable[[float], Any]:
    """What a number may be: exactly this on a CPU; within rounding on CUDA, where sums come in any order."""
    return partial(pytest.approx, rel=0, abs=0) if device == "cpu" else partial(pytest.approx, rel=1e-3, abs=1e-4)


@pytest.fixture
def graphed(device: str) -> Callable[[Any], Any]:
    """Makes an agent whose update is one graph of one that was built eager, on a CPU; on CUDA it is built so."""

    def put_on_tape(agent: Any) -> Any:
        if device == "cpu":
            agent._updating = GraphedUpdate(agent._update, partial(Tape, agent))
        return agent

    return put_on_tape


@pytest.fixture
def graph_settings(device: str) -> dict[str, str]:
    """Of an agent whose update is to be one graph."""
    return {} if device == "cpu" else {"compile": "graph"}


@pytest.fixture
def without_waits(device: str) -> Callable[[], AbstractContextManager[None]]:
    """A context in which nothing may make the host wait for the device."""

    @contextmanager
    def on_cuda() -> Iterator[None]:
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    @contextmanager
    def on_cpu() -> Iterator[None]:
        with waits() as names:
            yield
        assert names == []

    return on_cpu if device == "cpu" else on_cuda
