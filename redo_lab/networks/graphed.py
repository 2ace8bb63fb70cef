"""An update recorded once and repeated: a CUDA graph over static memory, as PyTorch's notes on CUDA graphs have it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from redo_lab.neurons.hooks import Hooks
from redo_lab.types import Metrics, Transition

WARM_UPS = 3
"""Updates made eagerly before the recording: libraries choose their kernels, the optimizer makes its state."""


class Update(Protocol):
    """One update on a batch, with hooks."""

    def __call__(self, batch: Transition, hooks: Hooks, /) -> Metrics: ...


class Graph(Protocol):
    """Something that records work on the device and repeats it on the same memory."""

    @abstractmethod
    def warm_up(self, work: Callable[[], Metrics]) -> Metrics:
        """Does `work` once, as it would be recorded."""

    @abstractmethod
    def record(self, work: Callable[[], Metrics]) -> Metrics:
        """Records `work` without doing it; returns the tensors that `replay` fills."""

    @abstractmethod
    def replay(self) -> None:
        """Does what was recorded, on the same tensors."""


class CudaGraph(Graph):
    """PyTorch's whole-network capture: warm-up on a side stream, capture on it, replay on the current stream."""

    def __init__(self, generators: Sequence[torch.Generator], device: torch.device) -> None:
        """generators: those that the work draws from; they advance at each replay as they would eagerly."""
        self._device = device
        with torch.cuda.device(device):
            self._graph = torch.cuda.CUDAGraph()
            self._side: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        for generator in generators:
            self._graph.register_generator_state(generator)

    def warm_up(self, work: Callable[[], Metrics]) -> Metrics:
        with torch.cuda.device(self._device):
            self._side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._side):
                metrics = work()
            torch.cuda.current_stream().wait_stream(self._side)
            return metrics

    def record(self, work: Callable[[], Metrics]) -> Metrics:
        # thread_local: the checkpoint writer's thread may copy from the device meanwhile.
        with (
            torch.cuda.device(self._device),
            torch.cuda.graph(self._graph, stream=self._side, capture_error_mode="thread_local"),
        ):
            return work()

    def replay(self) -> None:
        with torch.cuda.device(self._device):
            self._graph.replay()


class GraphedUpdate:
    """An update that is recorded after a few eager ones and then repeated, each on a new batch in the same memory.

    Every update counts, the eager ones too; recording makes none. Whatever changes the networks or the optimizer
    between updates must do so in place. The metrics of an update are overwritten by the next one. Other hooks, or a
    batch of another shape, begin anew.
    """

    def __init__(self, update: Update, new_graph: Callable[[torch.device], Graph]) -> None:
        self._update = update
        self._new_graph = new_graph
        self._hooks: Hooks | None = None
        self._batch: Transition | None = None
        self._graph: Graph | None = None
        self._eager_left = WARM_UPS
        self._metrics: Metrics | None = None

    def __call__(self, batch: Transition, hooks: Hooks) -> Metrics:
        """One update on `batch`."""
        static, graph = self._place(batch, hooks)
        if self._eager_left:
            self._eager_left -= 1
            return graph.warm_up(lambda: self._update(static, hooks))
        if self._metrics is None:
            self._metrics = graph.record(lambda: self._update(static, hooks))
        graph.replay()
        return self._metrics

    def _place(self, batch: Transition, hooks: Hooks) -> tuple[Transition, Graph]:
        """The memory that is read each time, which holds `batch` now, and the graph that reads it."""
        static, graph = self._batch, self._graph
        if static is None or graph is None or hooks is not self._hooks or not _alike(static, batch):
            static = self._batch = Transition(*[torch.empty_like(tensor) for tensor in batch])
            graph = self._graph = self._new_graph(batch.obs.device)
            self._hooks, self._eager_left, self._metrics = hooks, WARM_UPS, None
        for memory, tensor in zip(static, batch, strict=True):
            memory.copy_(tensor, non_blocking=True)
        return static, graph


def _alike(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(one, other, strict=True))
