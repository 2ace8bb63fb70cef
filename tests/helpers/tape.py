"""A stand-in for a CUDA graph that works on a CPU: the operations of an update, repeated on the same memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from redo_lab.networks.graphed import Graph
from redo_lab.types import Metrics

Call = tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]
"""An operation, its arguments, and the tensors of its outcome."""


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outcome = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, [t for t in tree_leaves(outcome) if isinstance(t, Tensor)]))
        return outcome


class Tape(Graph):
    """Like a CUDA graph it knows tensors, not names: what is rebound after the recording is missed by every replay.

    Unlike one it does the work while it records, so the state is put back after that.
    """

    def __init__(self, agent: Any, device: torch.device) -> None:
        self.agent = agent
        self.calls: list[Call] = []

    def warm_up(self, work: Callable[[], Metrics]) -> Metrics:
        return work()

    def record(self, work: Callable[[], Metrics]) -> Metrics:
        before = [tensor.clone() for tensor in self._changed_by_work()]
        states = [generator.get_state() for generator in self._generators()]
        with _Recorder() as recorder:
            metrics = work()
        for tensor, saved in zip(self._changed_by_work(), before, strict=True):
            tensor.copy_(saved)
        for generator, state in zip(self._generators(), states, strict=True):
            generator.set_state(state)
        self.calls = recorder.calls
        return metrics

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, recorded in self.calls:
            fresh = [tensor for tensor in tree_leaves(func(*args, **kwargs)) if isinstance(tensor, Tensor)]
            for memory, tensor in zip(recorded, fresh, strict=True):
                if tensor.data_ptr() != memory.data_ptr():
                    memory.copy_(tensor)

    def _changed_by_work(self) -> list[Tensor]:
        return list(storages(self.agent).values())

    def _generators(self) -> list[torch.Generator]:
        return [g for g in vars(self.agent).values() if isinstance(g, torch.Generator)]


def storages(agent: Any) -> dict[str, Tensor]:
    """Every tensor that an update changes but gradients, by name: parameters, targets, Adam's state."""
    modules = {f"{n.name}.online": n.online for n in agent.networks()} | {
        f"{n.name}.target": n.target for n in agent.networks() if n.target is not None
    }
    named = {f"{m}.{name}": p.detach() for m, module in modules.items() for name, p in module.named_parameters()}
    for i, optimizer in enumerate(agent.optimizers):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        named |= {f"optimizer{i}.{j}": p.detach() for j, p in enumerate(parameters)}
        for j, parameter in enumerate(parameters):
            named |= {f"optimizer{i}.{j}.{key}": value for key, value in optimizer.state[parameter].items()}
    return named
