"""How an update runs: eagerly, compiled, or whole as one CUDA graph. Here because agents don't import each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import ParamSpec, TypeVar

import torch

from redo_lab.config import require
from redo_lab.networks.graphed import CudaGraph, GraphedUpdate, Update
from redo_lab.neurons.hooks import Hooks
from redo_lab.types import Metrics, Transition

P = ParamSpec("P")
R = TypeVar("R")


class Compile(Enum):
    """off: eagerly; default: the losses by torch.compile; graph: the whole update as one CUDA graph."""

    off = "off"
    default = "default"
    graph = "graph"

    def check(self, device: torch.device) -> None:
        """Raises ConfigError where `device` can't do that."""
        require(
            self is not Compile.graph or device.type == "cuda",
            f"agent.compile=graph needs a CUDA device, and device is {device.type}; agent.compile=default or off works",
        )


def compiled(function: Callable[P, R], how: Compile) -> Callable[P, R]:
    """`function`, a pure one of tensors of one shape, as `how` says; it is compiled at its first call."""
    return torch.compile(function, dynamic=False) if how is Compile.default else function


def updating(update: Update, how: Compile, generators: Sequence[torch.Generator]) -> Update:
    """`update` as `how` says; `generators` are all that it draws from. The first call with hooks checks those."""
    if how is Compile.off:
        return update
    if how is Compile.graph:
        update = GraphedUpdate(update, partial(CudaGraph, generators))
    return _Checked(update, how)


class _Checked:
    """An update that refuses the interventions it would silently leave out."""

    def __init__(self, update: Update, how: Compile) -> None:
        self._update = update
        self._how = how
        self._hooks: Hooks | None = None

    def __call__(self, batch: Transition, hooks: Hooks) -> Metrics:
        if hooks is not self._hooks:
            check_interventions(hooks.classes, self._how)
            self._hooks = hooks
        return self._update(batch, hooks)


def check_interventions(classes: Mapping[str, type], how: Compile) -> None:
    """Raises ConfigError, by the path or name of its class, for an intervention that a compiled update can't have.

    What watches activations gets none from a compiled forward pass. A graph repeats the operations that were recorded,
    so what takes part in the loss or between backward and step must be the same operations on the same tensors each
    time, without a sampler: a class says so by `capturable = True`.
    """
    for name, cls in classes.items():
        require(
            how is Compile.off or not hasattr(cls, "watch"),
            f"{name} watches the activations of the training batch, which a compiled update doesn't show; "
            "use agent.compile=off",
        )
        require(
            how is not Compile.graph or not _inside(cls) or getattr(cls, "capturable", False),
            f"{name}: {cls.__name__} takes part in an update and doesn't say that a CUDA graph may repeat it "
            "(capturable = True, docs/performance.md); use agent.compile=default or off",
        )


def _inside(cls: type) -> bool:
    return hasattr(cls, "loss") or hasattr(cls, "before_step")
