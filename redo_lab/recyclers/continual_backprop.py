"""Continual Backprop: a trickle of the least useful mature neurons is replaced (Dohare et al., 2024, Nature 632)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.scores import (
    activations,
    incoming_magnitude,
    mean_deviation,
    mean_magnitude,
    mean_output,
    outgoing_magnitude,
)
from redo_lab.neurons.surgery import (
    Incoming,
    Outgoing,
    Redraws,
    StepCount,
    Surgery,
    fold_outgoing,
    lowest,
    recycle,
    recycled_metrics,
)
from redo_lab.types import Counters, Learner, Metrics, Recycler, Sampler


class Utility(Enum):
    """contribution: E|h| * sum|outgoing| (Eq. 1); adaptable_contribution: E|h - running mean| * sum|out| / sum|in|."""

    contribution = "contribution"
    adaptable_contribution = "adaptable_contribution"


@dataclass
class Neurons:
    """What is known of a layer's neurons. Tensors [neurons] live on the device, the rest on the host.

    born: the update at which a neuron was made; its age is the number of updates since. young: (update, how many) of
    those made lately, so that the number of mature neurons is known without asking the device. owed: replacements
    due, a fraction included.
    """

    utility: Tensor
    mean: Tensor
    born: Tensor
    young: list[tuple[int, int]]
    owed: float

    def to(self, device: torch.device) -> Neurons:
        """A copy on `device`."""
        utility, mean, born = (t.to(device, copy=True) for t in (self.utility, self.mean, self.born))
        return Neurons(utility, mean, born, list(self.young), self.owed)

    @classmethod
    def made(cls, neurons: int, update: int, device: torch.device) -> Neurons:
        """`neurons` neurons of which nothing is known yet."""
        zeros = torch.zeros(neurons, device=device)
        return cls(zeros, zeros.clone(), torch.full((neurons,), update, device=device), [(update, neurons)], 0.0)


class ContinualBackprop(Recycler):
    """After every update, `replacement_rate` of each layer's mature neurons, the least useful, are replaced.

    A neuron replaced has fresh incoming weights and silent outgoing ones; the readers' biases have taken over its mean
    contribution. Activations come from a batch of the recycler's own, not from the training batch: hooks don't fire
    in a compiled update, and one more forward pass is what that costs.
    """

    @dataclass
    class Config(Redraws):
        """`decay` is that of the running utility and mean; a neuron is mature when older than `maturity_updates`."""

        utility: Utility
        replacement_rate: float
        decay: float
        maturity_updates: int
        batch_size: int
        reset_moments: bool
        step_count: StepCount

        def __post_init__(self) -> None:
            require(0 < self.replacement_rate <= 1, f"replacement_rate must lie in (0, 1], got {self.replacement_rate}")
            require(0 <= self.decay < 1, f"decay must lie in [0, 1), got {self.decay}")
            require(self.maturity_updates >= 0, f"maturity_updates must be ≥ 0, got {self.maturity_updates}")
            require(self.batch_size >= 1, f"batch_size must be ≥ 1, got {self.batch_size}")

    def __init__(self, config: Config, *, name: str, generator: torch.Generator) -> None:
        self.config = config
        self.name = name
        self.generator = generator
        self.surgery = Surgery(Incoming.init, Outgoing.zero, config.reset_moments, config.step_count)
        self._known: dict[str, Neurons] = {}

    @torch.no_grad()
    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Utilities include a new batch, and what is owed has been replaced; returns the counts where it was any."""
        layers = [layer for layer in learner.hidden_layers() if layer.readers]
        batch = sample(self.config.batch_size)
        outputs = activations(layers, lambda: learner.forward(batch))
        known = [self._of(layer, counters.updates, h.device) for layer, h in zip(layers, outputs, strict=True)]
        for layer, neurons, h in zip(layers, known, outputs, strict=True):
            self._observe(layer, neurons, h, counters.updates)
        counts = [self._owed(neurons, counters.updates) for neurons in known]
        if not any(counts):
            return {}
        chosen = [self._choose(neurons, n, counters.updates) for neurons, n in zip(known, counts, strict=True)]
        self._replace(layers, known, chosen, learner.optimizers, counters.updates)
        return recycled_metrics(self.name, layers, chosen)

    def _of(self, layer: HiddenLayer, update: int, device: torch.device) -> Neurons:
        if layer.name not in self._known:
            self._known[layer.name] = Neurons.made(layer.neurons, update - 1, device)
        return self._known[layer.name]

    def _observe(self, layer: HiddenLayer, neurons: Neurons, h: Tensor, update: int) -> None:
        neurons.mean.lerp_(mean_output(h), 1 - self.config.decay)
        utility = outgoing_magnitude(layer)
        if self.config.utility is Utility.contribution:
            utility *= mean_magnitude(h)
        else:
            utility *= mean_deviation(h, neurons.mean / self._correction(neurons, update)) / incoming_magnitude(layer)
        neurons.utility.lerp_(utility, 1 - self.config.decay)

    def _correction(self, neurons: Neurons, update: int) -> Tensor:
        """1 - decay**age, by which a running average of `age` values is divided (as Adam's): [neurons]."""
        return 1 - self.config.decay ** (update - neurons.born)

    def _owed(self, neurons: Neurons, update: int) -> int:
        neurons.young = [(born, n) for born, n in neurons.young if update - born <= self.config.maturity_updates]
        mature = neurons.born.numel() - sum(n for _, n in neurons.young)
        neurons.owed += self.config.replacement_rate * mature
        due = int(neurons.owed)
        neurons.owed -= due
        return due

    def _choose(self, neurons: Neurons, due: int, update: int) -> Tensor:
        utility = neurons.utility / self._correction(neurons, update)
        utility.masked_fill_(update - neurons.born <= self.config.maturity_updates, torch.inf)
        return lowest(utility, due, self.generator)

    def _replace(
        self,
        layers: Sequence[HiddenLayer],
        known: Sequence[Neurons],
        chosen: Sequence[Tensor],
        optimizers: Sequence[torch.optim.Optimizer],
        update: int,
    ) -> None:
        means = [(k.mean / self._correction(k, update))[index] for k, index in zip(known, chosen, strict=True)]
        fold_outgoing(layers, chosen, means)
        recycle(layers, chosen, optimizers, self.surgery, self.generator)
        for neurons, index in zip(known, chosen, strict=True):
            neurons.utility.index_fill_(0, index, 0)
            neurons.mean.index_fill_(0, index, 0)
            neurons.born.index_fill_(0, index, update)
            if index.numel():
                neurons.young.append((update, index.numel()))

    def state_dict(self) -> dict[str, Any]:
        """The recycling generator and, a layer, what is known of its neurons."""
        known = {name: vars(neurons.to(neurons.utility.device)) for name, neurons in self._known.items()}
        return {"generator": self.generator.get_state(), "layers": known}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.generator.set_state(state["generator"])
        device = self.generator.device
        self._known = {name: Neurons(**neurons).to(device) for name, neurons in state["layers"].items()}
