"""Probes and interventions of every kind of study: they take part in an update, measure after it, and act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import torch

from redo_lab.config import Part, parts
from redo_lab.neurons.hooks import Hooks
from redo_lab.neurons.needs import check_needs
from redo_lab.protocols import Journal, Learner, Probe, Recycler, Stateful
from redo_lab.seeding import Seeds
from redo_lab.types import Batch, Counters, Sampler

B = TypeVar("B")
Nodes: TypeAlias = "Mapping[str, Mapping[str, Any]]"


class Draw(Protocol):
    """Draws a batch of the data that a study learns from."""

    def __call__(self, batch_size: int, generator: np.random.Generator) -> Batch: ...


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

    probes: Mapping[str, Part[Probe[Any]]]
    recyclers: Mapping[str, Part[Recycler]]
    regularisers: Mapping[str, Part[Stateful]]

    @classmethod
    def of(cls, probes: Nodes, recyclers: Nodes, regularisers: Nodes) -> Care:
        """What the root nodes of these names hold; raises ConfigError for what isn't such a part."""
        return cls(
            parts(probes, "probes", Probe),
            parts(recyclers, "recyclers", Recycler),
            parts(regularisers, "regularisers", Stateful),
        )

    def names(self) -> dict[str, str]:
        """The axes that tell methods apart: recycler and regulariser, several joined by +."""
        groups = {"recycler": self.recyclers, "regulariser": self.regularisers}
        return {axis: "+".join(group) or "none" for axis, group in groups.items()}

    @property
    def _parts(self) -> list[Part[Any]]:
        return [*self.probes.values(), *self.recyclers.values(), *self.regularisers.values()]

    def batch_sizes(self) -> dict[str, int]:
        """The batch that each part draws at once, by the part's path; 0 where it draws none."""
        return {part.path: getattr(part.config, "batch_size", 0) for part in self._parts}

    def interventions(self) -> dict[str, type]:
        """The class of each recycler and regulariser, by its path."""
        parts: list[Part[Any]] = [*self.recyclers.values(), *self.regularisers.values()]
        return {part.path: part.cls for part in parts}

    def check(self, learner: type) -> None:
        """Raises ConfigError where a part needs what `learner` isn't, or two interventions contradict each other."""
        check_needs({part.path: part.cls for part in self._parts}, learner)
        for name, recycler in self.recyclers.items():
            if hasattr(recycler.config, "check_beside"):
                others = {other: part.config for other, part in self.recyclers.items() if other != name}
                recycler.config.check_beside(others)

    def start(
        self, learner: Learner, samplers: Samplers, seeds: Seeds, device: torch.device, journal: Journal
    ) -> Aftercare:
        """All of them built, each with a sampler and a generator of its own."""
        recyclers = [
            part.build(name=name, generator=seeds.torch(f"recycling.{name}", device))
            for name, part in self.recyclers.items()
        ]
        regularisers = [
            part.build(name=name, learner=learner, generator=seeds.torch(f"regularising.{name}", device))
            for name, part in self.regularisers.items()
        ]
        probes = [part.build() for part in self.probes.values()]

        def sampled(group: str, built: Sequence[B], names: Iterable[str]) -> list[tuple[B, Sampler]]:
            return [(part, samplers.named(f"{group}.{name}")) for part, name in zip(built, names, strict=True)]

        return Aftercare(
            learner,
            sampled("probes", probes, self.probes),
            sampled("recyclers", recyclers, self.recyclers),
            sampled("regularisers", regularisers, self.regularisers),
            journal,
        )


def method(axes: Mapping[str, Any]) -> list[str]:
    """The words of a run's name for its interventions: its recycler, then its regulariser if it has one."""
    return [axes["recycler"], *([] if axes["regulariser"] == "none" else [axes["regulariser"]])]


class Aftercare:
    """Regularisers in an update; after it probes, then recyclers: probes measure what training left."""

    def __init__(
        self,
        learner: Learner,
        probes: Sequence[tuple[Probe[Any], Sampler]],
        recyclers: Sequence[tuple[Recycler, Sampler]],
        regularisers: Sequence[tuple[Stateful, Sampler]],
        journal: Journal,
    ) -> None:
        self.learner = learner
        self.probes = probes
        self.recyclers = recyclers
        self.regularisers = regularisers
        self.hooks = Hooks([*regularisers, *recyclers])
        """The places inside an update where they take part."""
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
            "regularisers": [regulariser.state_dict() for regulariser, _ in self.regularisers],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        groups: dict[str, Sequence[tuple[Stateful, Sampler]]] = {
            "probes": self.probes,
            "recyclers": self.recyclers,
            "regularisers": self.regularisers,
        }
        for name, group in groups.items():
            for (part, _), part_state in zip(group, state[name], strict=True):
                part.load_state_dict(part_state)
