"""What interventions do inside an update: penalties in the loss, a hand on the gradients, the batch's activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from redo_lab.neurons.layers import Network
from redo_lab.neurons.scores import watching
from redo_lab.protocols import ActivationHook, GradientHook, Regulariser
from redo_lab.runs.names import PENALTY
from redo_lab.types import Batch, Metrics, Sampler


class Hooks:
    """The interventions that take part in an update, by what they implement; with none, an update is as without.

    An agent says which networks a loss trains. Where it has several losses (SAC: critics, actor), each loss gets the
    penalties of the networks that it trains, so no network is penalised twice. What is added to a loss comes in the
    order in which the interventions were given.
    """

    def __init__(self, interventions: Sequence[tuple[object, Sampler]] = ()) -> None:
        """Each with a sampler of its own."""
        parts = [part for part, _ in interventions]
        self._losses = [(part, sample) for part, sample in interventions if isinstance(part, Regulariser)]
        self._gradients = [part for part in parts if isinstance(part, GradientHook)]
        self._watchers = [part for part in parts if isinstance(part, ActivationHook)]
        inside = [*[part for part, _ in self._losses], *self._gradients, *self._watchers]
        self.classes = {str(getattr(part, "name", type(part).__name__)): type(part) for part in inside}
        """By name, the classes of those that take part in an update."""
        self.penalties: Metrics = {}
        """Of the last update: <name>/penalty, or <name>/penalty_<network> of an agent with several."""

    def loss(self, loss: Tensor, networks: Sequence[Network], batch: Batch) -> Tensor:
        """`loss` and every penalty of the `networks` that it trains."""
        for part, sample in self._losses:
            for network in networks:
                penalty = part.loss(network, batch, sample)
                self.penalties[_metric(part.name, network)] = penalty.detach()
                loss = loss + penalty
        return loss

    def before_step(self, networks: Sequence[Network]) -> None:
        """Called when the gradients of `networks` are there and the optimizer hasn't stepped."""
        for part in self._gradients:
            for network in networks:
                part.before_step(network)

    @contextmanager
    def watching(self, networks: Sequence[Network]) -> Iterator[None]:
        """Around the forward pass of a loss: the interventions that watch get the activations of its `networks`.

        They come from the last pass within the context. In a compiled one modules' hooks don't fire: it is refused.
        """
        if not self._watchers:
            yield
            return
        layers = [layer for network in networks for layer in network.hidden]
        outputs: dict[int, Tensor] = {}
        with watching(layers, lambda index, h: outputs.__setitem__(index, h.detach())):
            yield
        first = 0
        for network in networks:
            own = [outputs[first + i] for i in range(len(network.hidden))]
            first += len(own)
            with torch.no_grad():
                for part in self._watchers:
                    part.watch(network, own)


def _metric(name: str, network: Network) -> str:
    return f"{name}/{PENALTY}_{network.name}" if network.name else f"{name}/{PENALTY}"


NO_HOOKS = Hooks()
"""For an update without interventions."""
