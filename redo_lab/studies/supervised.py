"""`study=supervised`: a network learns to tell images apart. Its config, its checks, its assembly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redo_lab.config import Part, fill, part, require
from redo_lab.experience import Data
from redo_lab.networks.torso import Torso, check_reads
from redo_lab.protocols import Journal
from redo_lab.runs.names import TRAIN_ACCURACY
from redo_lab.seeding import Seeds
from redo_lab.studies.aftercare import Care, Samplers, method
from redo_lab.studies.blueprint import Blueprint
from redo_lab.studies.classifier import Classifier
from redo_lab.studies.epochs import Epochs, ExampleSet, Lengths

if TYPE_CHECKING:
    import torch


@dataclass
class TrainingConfig:
    """Length of a run and how often it logs."""

    epochs: int
    log_period_updates: int

    def __post_init__(self) -> None:
        for name in ("epochs", "log_period_updates"):
            require(getattr(self, name) >= 1, f"training.{name} must be ≥ 1, got {getattr(self, name)}")


@dataclass
class TargetsConfig:
    """After every `shuffle_every_epochs` the labels are shuffled among the images; null: they are fixed."""

    shuffle_every_epochs: int | None

    def __post_init__(self) -> None:
        every = self.shuffle_every_epochs
        require(every is None or every >= 1, f"targets.shuffle_every_epochs must be ≥ 1 or null, got {every}")


class Supervised(Blueprint):
    """Classification of images with fixed or changing targets: Fig. 3 and Table 5 (Sokar et al., 2023)."""

    @dataclass
    class Config:
        """The root nodes of such a run; those of parts stay plain, their classes own the schema."""

        training: TrainingConfig
        data: dict[str, Any]
        targets: dict[str, Any]
        network: dict[str, Any]
        learner: dict[str, Any]
        recyclers: dict[str, Any]
        regularisers: dict[str, Any]
        probes: dict[str, Any]

    unit = "epochs"
    scored_by = TRAIN_ACCURACY
    score_word, higher_is_better = "accuracy", True
    same_pace_axes = ("data",)
    frames_per_step = 1
    clocks: Mapping[str, str] = {"env_steps": "epochs", "updates": "gradient steps"}

    def __init__(self, config: Config) -> None:
        self.training = config.training
        self.targets = fill(TargetsConfig, config.targets, "targets", "study=supervised")
        self.total = config.training.epochs
        self.data: Part[Data] = part(config.data, "data", Data)
        self.network: Part[Torso] = part(config.network, "network", Torso)
        self.learner: Part[Classifier] = part(config.learner, "learner", Classifier)
        self.care = Care.of(config.probes, config.recyclers, config.regularisers)
        self._check()

    def _check(self) -> None:
        size, samples = self.learner.config.batch_size, self.data.config.samples
        require(size <= samples, f"learner.batch_size={size} is more than data.samples={samples}")
        self.care.check(self.learner.cls)
        check_reads(self.network, self.data.cls.obs_shape)

    @staticmethod
    def planned_updates(root: Mapping[str, Any]) -> int:
        """A step for each batch of each epoch."""
        require("samples" in root["data"], "study=supervised takes labelled images: data=digits or data=cifar10")
        return int(root["training"]["epochs"] * math.ceil(root["data"]["samples"] / root["learner"]["batch_size"]))

    def axes(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """Data, targets, network and recycling method."""
        return {**{group: choices[group] for group in ("data", "targets", "network")}, **self.care.names()}

    def label(self, axes: Mapping[str, Any]) -> list[str]:
        """digits, shuffled, redo; a regulariser follows the recycler."""
        return [axes["data"], axes["targets"], *method(axes)]

    def memory_bytes(self) -> int:
        """Of the training images."""
        return int(self.data.config.samples * math.prod(self.data.cls.obs_shape))

    def check_machine(self, device: torch.device) -> None:
        """Raises ConfigError if the images aren't here."""
        self.data.cls.check_machine(self.data.config)

    def start(self, seeds: Seeds, device: torch.device, journal: Journal) -> Epochs:
        """The run at its beginning, every part built and seeded."""
        training_images, test_images = self.data.build().load()
        training = ExampleSet(training_images, device)
        fixed = self.targets.shuffle_every_epochs is None
        learner = self.learner.build(
            obs_shape=self.data.cls.obs_shape,
            classes=self.data.cls.classes,
            torso=self.network.build,
            seeds=seeds,
            device=device,
        )
        samplers = Samplers(training.draw, seeds)
        return Epochs(
            lengths=Lengths(self.total, self.targets.shuffle_every_epochs, self.training.log_period_updates),
            learner=learner,
            training=training,
            test=ExampleSet(test_images, device) if fixed else None,
            order=seeds.numpy("order"),
            shuffling=seeds.numpy("shuffling"),
            samplers=samplers,
            aftercare=self.care.start(learner, samplers, seeds, device, journal),
            journal=journal,
        )
