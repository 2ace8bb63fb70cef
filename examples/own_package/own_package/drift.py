"""A kind of study: regression on a target that changes again and again, so that a network must go on learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch

from own_package.regressor import Pairs, Regressor
from redo_lab.config import part, require
from redo_lab.networks.torso import Torso
from redo_lab.protocols import Journal, Study
from redo_lab.seeding import Seeds
from redo_lab.studies.aftercare import Care, Samplers
from redo_lab.studies.blueprint import Blueprint
from redo_lab.types import Counters, Progress

LOSS = "task/loss"


@dataclass
class Training:
    """Length, data and learning rate of a run: `updates`, with a new task after every `task_updates`."""

    updates: int
    task_updates: int
    batch_size: int
    inputs: int
    learning_rate: float
    log_period_updates: int

    def __post_init__(self) -> None:
        for field in fields(self):
            require(getattr(self, field.name) > 0, f"training.{field.name} must be > 0")


class Drift(Blueprint):
    """What `study=drift` means, checked; it is built when the run starts."""

    @dataclass
    class Config:
        """The root nodes of such a run; those of parts stay plain, their classes own the schema."""

        training: Training
        network: dict[str, Any]
        recyclers: dict[str, Any]
        regularisers: dict[str, Any]
        probes: dict[str, Any]

    unit = "updates"
    scored_by = LOSS
    score_word, higher_is_better = "loss", False
    clocks: Mapping[str, str] = {"env_steps": "samples", "updates": "updates"}

    def __init__(self, config: Config) -> None:
        self.training = config.training
        self.total = self.training.updates
        self.network = part(config.network, "network", Torso)
        self.network.cls.check_obs((self.training.inputs,))
        self.care = Care.of(config.probes, config.recyclers, config.regularisers)
        self.care.check(Regressor)

    @staticmethod
    def planned_updates(root: Mapping[str, Any]) -> int:
        """As many as the config says."""
        return int(root["training"]["updates"])

    def axes(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """Network and recycling method."""
        return {"network": choices["network"], **self.care.names()}

    def label(self, axes: Mapping[str, Any]) -> list[str]:
        """drift, mlp, redo, none."""
        return ["drift", *map(str, (axes["network"], axes["recycler"], axes["regulariser"]))]

    def start(self, seeds: Seeds, device: torch.device, journal: Journal) -> Drifting:
        """The study, every part built and seeded."""
        return Drifting(self, seeds, device, journal)


class Drifting(Study):
    """One run. A step is one update; each task's target is a small random network, drawn from a seed of its own."""

    def __init__(self, drift: Drift, seeds: Seeds, device: torch.device, journal: Journal) -> None:
        self.training, self.total = drift.training, drift.total
        self.seeds, self.device, self.journal = seeds, device, journal
        self.learner = Regressor(
            drift.network.build,
            inputs=self.training.inputs,
            learning_rate=self.training.learning_rate,
            generator=seeds.torch("init"),
            device=device,
        )
        self.samplers = Samplers(self.draw, seeds)
        self.sample = self.samplers.named("training")
        self.aftercare = drift.care.start(self.learner, self.samplers, seeds, device, journal)
        self.counters = Counters()
        self.task_loss = torch.zeros((), device=device)
        self.target: tuple[np.ndarray, np.ndarray] | None = None

    def draw(self, batch_size: int, generator: np.random.Generator) -> Pairs:
        """Fresh inputs, with the targets of the present task."""
        assert self.target is not None
        inputs = generator.standard_normal((batch_size, self.training.inputs), np.float32)
        targets = np.tanh(inputs @ self.target[0]) @ self.target[1]
        return Pairs(torch.from_numpy(inputs).to(self.device), torch.from_numpy(targets).to(self.device))

    def steps(self) -> Iterator[None]:
        """An update at a time."""
        while self.counters.updates < self.total:
            self.step()
            yield

    def step(self) -> None:
        """One update, then probes, then interventions, of which none acts at the very end."""
        task, within = divmod(self.counters.updates, self.training.task_updates)
        if within == 0 or self.target is None:
            generator, inputs = self.seeds.numpy(f"target.{task}"), self.training.inputs
            first, second = (generator.standard_normal((inputs, n), np.float32) for n in (inputs, 1))
            self.target = (first, second / np.float32(np.sqrt(inputs)))
        loss = self.learner.update(self.sample(self.training.batch_size), self.aftercare.hooks)
        self.counters.updates += 1
        self.counters.env_steps += self.training.batch_size
        self.log(loss)
        self.aftercare.measure(self.counters)
        if self.counters.updates < self.total:
            self.aftercare.intervene(self.counters)

    def log(self, loss: torch.Tensor) -> None:
        """The loss now and then, and at the end of each task its mean over the task."""
        self.task_loss = self.task_loss + loss
        if self.counters.updates % self.training.log_period_updates == 0:
            self.journal.add(self.counters, {"train/loss": loss, **self.aftercare.hooks.penalties})
        if self.counters.updates % self.training.task_updates == 0:
            self.journal.add(self.counters, {LOSS: self.task_loss / self.training.task_updates})
            self.task_loss = torch.zeros_like(self.task_loss)

    def progress(self) -> Progress:
        """In updates."""
        return Progress(self.counters.updates, self.total, Drift.unit, "training")

    def clocks(self) -> Counters:
        """Samples and updates."""
        return self.counters

    def headline(self) -> dict[str, float]:
        """The mean loss of the last task."""
        return {"loss": self.journal.latest[LOSS]} if LOSS in self.journal.latest else {}

    def state_dict(self) -> dict[str, Any]:
        """All that changes; the target follows from the seed and the task."""
        return {
            "counters": asdict(self.counters),
            "task_loss": self.task_loss,
            "learner": self.learner.state_dict(),
            "aftercare": self.aftercare.state_dict(),
            "generators": self.samplers.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.counters, self.task_loss = Counters(**state["counters"]), state["task_loss"]
        self.learner.load_state_dict(state["learner"])
        self.aftercare.load_state_dict(state["aftercare"])
        self.samplers.load_state_dict(state["generators"])
