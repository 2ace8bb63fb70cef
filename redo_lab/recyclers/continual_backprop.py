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
from redo_lab.protocols import Learner, Recycler
from redo_lab.types import Counters, Metrics, Sampler


class Utility(Enum):
    """contribution: E|h| * sum|outgoing| (Eq. 1); adaptable_contribution: E|h - running mean| * sum|out| / sum|in|."""

    contribution = "contribution"
    adaptable_contribution = "adaptable_contribution"


@dataclass
class Neurons:
    """The statistics of a layer's neurons. Tensors [neurons] live on the device, the rest on the host.

    born: the update at which a neuron began; its age is the number of updates since. young: (update, how many) of the
    neurons that began lately, so that counting the mature ones needs no copy from the device. owed: replacements due,
    a fraction included.
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
    def fresh(cls, neurons: int, update: int, device: torch.device) -> Neurons:
        """`neurons` neurons without any statistics yet."""
        zeros = torch.zeros(neurons, device=device)
        return cls(zeros, zeros.clone(), torch.full((neurons,), update, device=device), [(update, neurons)], 0.0)


class ContinualBackprop(Recycler):
    """After every update, `replacement_rate` of each layer's mature neurons, the least useful, are replaced.

    A replaced neuron has fresh incoming weights and silent outgoing ones; the readers' biases have taken over its mean
    contribution. Activations come from a batch of the recycler's own, not from the training batch: hooks don't fire
    in a compiled update. The price is one more forward pass.
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
        self._neurons: dict[str, Neurons] = {}

    @torch.no_grad()
    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Utilities include a new batch, and the neurons owed are replaced; returns the counts where there are any."""
        layers = [layer for layer in learner.hidden_layers() if layer.readers]
        batch = sample(self.config.batch_size)
        outputs = activations(layers, lambda: learner.forward(batch))
        records = [self._of(layer, counters.updates, h.device) for layer, h in zip(layers, outputs, strict=True)]
        for layer, neurons, h in zip(layers, records, outputs, strict=True):
            self._observe(layer, neurons, h, counters.updates)
        counts = [self._owed(neurons, counters.updates) for neurons in records]
        if not any(counts):
            return {}
        selection = [self._choose(neurons, n, counters.updates) for neurons, n in zip(records, counts, strict=True)]
        self._replace(layers, records, selection, learner.optimizers, counters.updates)
        return recycled_metrics(self.name, layers, selection)

    def _of(self, layer: HiddenLayer, update: int, device: torch.device) -> Neurons:
        if layer.name not in self._neurons:
            self._neurons[layer.name] = Neurons.fresh(layer.neurons, update - 1, device)
        return self._neurons[layer.name]

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
        records: Sequence[Neurons],
        selection: Sequence[Tensor],
        optimizers: Sequence[torch.optim.Optimizer],
        update: int,
    ) -> None:
        means = [(k.mean / self._correction(k, update))[index] for k, index in zip(records, selection, strict=True)]
        fold_outgoing(layers, selection, means)
        recycle(layers, selection, optimizers, self.surgery, self.generator)
        for neurons, index in zip(records, selection, strict=True):
            neurons.utility.index_fill_(0, index, 0)
            neurons.mean.index_fill_(0, index, 0)
            neurons.born.index_fill_(0, index, update)
            if index.numel():
                neurons.young.append((update, index.numel()))

    def state_dict(self) -> dict[str, Any]:
        """The recycling generator and, for each layer, the statistics of its neurons."""
        layers = {name: vars(neurons.to(neurons.utility.device)) for name, neurons in self._neurons.items()}
        return {"generator": self.generator.get_state(), "layers": layers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.generator.set_state(state["generator"])
        device = self.generator.device
        self._neurons = {name: Neurons(**neurons).to(device) for name, neurons in state["layers"].items()}
