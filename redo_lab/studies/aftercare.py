"""What follows each update in every kind of study: probes measure, then interventions act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from redo_lab.config import Part
from redo_lab.seeding import Seeds
from redo_lab.types import Agent, Counters, Journal, Probe, Recycler, Sampler, Transition


class Draw(Protocol):
    """Draws a batch of the data that a study learns from."""

    def __call__(self, batch_size: int, generator: np.random.Generator) -> Transition: ...


class Samplers:
    """Samplers by name, each with a generator of its own, so that none disturbs another's batches."""

    def __init__(self, draw: Draw, seeds: Seeds) -> None:
        self._draw = draw
        self._seeds = seeds
        self._generators: dict[str, np.random.Generator] = {}

    def named(self, name: str) -> Sampler:
        """The sampler called `name`, at the beginning of its stream."""
        generator = self._generators[name] = self._seeds.numpy(f"replay.{name}")
        return partial(self._draw, generator=generator)

    def state_dict(self) -> dict[str, Any]:
        """Every generator's state."""
        return {name: generator.bit_generator.state for name, generator in self._generators.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Every stream continues from `state`."""
        for name, generator in self._generators.items():
            generator.bit_generator.state = state[name]


@dataclass(frozen=True)
class Care:
    """The probes and interventions that a config names, by name, in their order."""

    probes: Mapping[str, Part[Probe]]
    recyclers: Mapping[str, Part[Recycler]]

    def batch_sizes(self) -> dict[str, int]:
        """The batch that each part draws at once, by the part's path; 0 where it draws none."""
        parts = [*self.probes.values(), *self.recyclers.values()]
        return {part.path: getattr(part.config, "batch_size", 0) for part in parts}

    def check_together(self) -> None:
        """Raises ConfigError where two interventions contradict each other."""
        for name, recycler in self.recyclers.items():
            if hasattr(recycler.config, "check_beside"):
                others = {other: part.config for other, part in self.recyclers.items() if other != name}
                recycler.config.check_beside(others)

    def start(
        self, learner: Agent, samplers: Samplers, seeds: Seeds, device: torch.device, journal: Journal
    ) -> Aftercare:
        """All of them built, each with a sampler and a generator of its own."""
        recyclers = [
            (
                part.build(name=name, generator=seeds.torch(f"recycling.{name}", device)),
                samplers.named(f"recyclers.{name}"),
            )
            for name, part in self.recyclers.items()
        ]
        probes = [(part.build(), samplers.named(f"probes.{name}")) for name, part in self.probes.items()]
        return Aftercare(learner, probes, recyclers, journal)


class Aftercare:
    """Probes, then interventions, after an update: probes measure what training left, before anything acts on it."""

    def __init__(
        self,
        learner: Agent,
        probes: Sequence[tuple[Probe, Sampler]],
        recyclers: Sequence[tuple[Recycler, Sampler]],
        journal: Journal,
    ) -> None:
        self.learner = learner
        self.probes = probes
        self.recyclers = recyclers
        self.journal = journal

    def measure(self, counters: Counters) -> None:
        """Every probe that is due after update number `counters.updates` has measured."""
        for probe, sampler in self.probes:
            self.journal.add(counters, probe.after_update(self.learner, counters, sampler))

    def intervene(self, counters: Counters) -> None:
        """Every intervention that is due after update number `counters.updates` has acted."""
        for recycler, sampler in self.recyclers:
            self.journal.add(counters, recycler.after_update(self.learner, counters, sampler))

    def state_dict(self) -> dict[str, Any]:
        """What each part remembers, in their order."""
        return {
            "probes": [probe.state_dict() for probe, _ in self.probes],
            "recyclers": [recycler.state_dict() for recycler, _ in self.recyclers],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        for parts, saved in ((self.probes, state["probes"]), (self.recyclers, state["recyclers"])):
            for (part, _), part_state in zip(parts, saved, strict=True):
                part.load_state_dict(part_state)
