"""Supervised learning, batch by batch: order, update, probe, evaluate, intervene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redo_lab.protocols import Journal, Study
from redo_lab.runs.names import TEST_ACCURACY, TRAIN_ACCURACY
from redo_lab.studies.aftercare import Aftercare, Samplers
from redo_lab.studies.classifier import Classifier
from redo_lab.studies.gradient import GradientSteps, headline
from redo_lab.types import Counters, Examples, LabelledImages, Progress

EVALUATION_IMAGES = 250
"""Of one forward pass; no result depends on it."""


class ExampleSet:
    """Labelled images on the device. Only the labels change."""

    def __init__(self, source: LabelledImages, device: torch.device) -> None:
        self.images = torch.from_numpy(source.images).to(device)
        self.labels = torch.from_numpy(source.labels).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: NDArray[np.int64]) -> Examples:
        """The examples `rows`."""
        index = torch.from_numpy(rows).to(self.labels.device, non_blocking=True)
        return Examples(self.images[index], self.labels[index])

    def draw(self, batch_size: int, generator: np.random.Generator) -> Examples:
        """`batch_size` of them, drawn uniformly with replacement."""
        return self.batch(generator.integers(len(self), size=batch_size))

    def chunks(self) -> Iterator[Examples]:
        """All of them in their order, as many at a time as an evaluation takes."""
        for start in range(0, len(self), EVALUATION_IMAGES):
            end = start + EVALUATION_IMAGES
            yield Examples(self.images[start:end], self.labels[start:end])

    def shuffle_labels(self, generator: np.random.Generator) -> None:
        """The labels are permuted among the images: each class keeps its size."""
        self.labels = self.labels[torch.from_numpy(generator.permutation(len(self))).to(self.labels.device)]


@dataclass(frozen=True)
class Lengths:
    """Of a run, in epochs: all of it, and between two shuffles of the labels, None: never; and when it logs."""

    epochs: int
    shuffle_every_epochs: int | None
    log_period_updates: int


class Epochs(Study):
    """One run. An epoch is one permutation of the training set; its last batch may be smaller than the others.

    The clock env_steps counts completed epochs: the last update of an epoch, and all that follows it, belongs to it.
    The network is evaluated after each epoch, on the labels that it was trained on, and before the interventions of the
    epoch's last update; none acts after the last update of all. The labels are shuffled where the next epoch begins.
    """

    bulk = None

    def __init__(
        self,
        *,
        lengths: Lengths,
        learner: Classifier,
        training: ExampleSet,
        test: ExampleSet | None,
        order: np.random.Generator,
        shuffling: np.random.Generator,
        samplers: Samplers,
        aftercare: Aftercare,
        journal: Journal,
    ) -> None:
        """test: None where the targets change, as there are none of the test set then."""
        self.lengths = lengths
        self.learner = learner
        self.training = training
        self.test = test
        self.generators = {"order": order, "shuffling": shuffling}
        self.samplers = samplers
        self.aftercare = aftercare
        self.journal = journal
        self.gradient = GradientSteps(learner, aftercare, journal, lengths.log_period_updates)
        self.counters = Counters()
        self.order: NDArray[np.int64] = np.arange(len(training))
        self.position = 0
        """Examples of this epoch's order that were trained on; 0 between epochs."""
        self.evaluated_epochs = 0
        self.phase = "training"
        self.step_is_open = False

    def steps(self) -> Iterator[None]:
        """Trains to the end, from the beginning or from a loaded state; yields after each update and in evaluations."""
        while self.step_is_open or self.counters.env_steps < self.lengths.epochs:
            if not self.step_is_open:
                self._update()
            yield from self._evaluate_if_due()
            self._close_step()
            yield

    def progress(self) -> Progress:
        """Epochs completed, of all; the phase is training or evaluation."""
        return Progress(self.counters.env_steps, self.lengths.epochs, "epochs", self.phase)

    def clocks(self) -> Counters:
        """Epochs and updates so far."""
        return self.counters

    def headline(self) -> dict[str, float]:
        """The newest accuracy on the training set and total dormant %, as soon as there are any."""
        return headline(self.journal.latest, "accuracy %", TRAIN_ACCURACY)

    def lose_bulk(self) -> None:
        """It has none."""

    def _update(self) -> None:
        if self.position == 0:
            self._begin_epoch()
        rows = self.order[self.position : self.position + self.learner.config.batch_size]
        self.step_is_open = True
        self.position += len(rows)
        if self.position == len(self.training):
            self.position = 0
            self.counters.env_steps += 1
        self.gradient.make(self.training.batch(rows), self.counters)

    def _begin_epoch(self) -> None:
        every, completed = self.lengths.shuffle_every_epochs, self.counters.env_steps
        if every is not None and completed > 0 and completed % every == 0:
            self.training.shuffle_labels(self.generators["shuffling"])
        self.order = self.generators["order"].permutation(len(self.training))

    def _evaluate_if_due(self) -> Iterator[None]:
        """An evaluation that was cut off begins again: nothing in it is random."""
        if self.evaluated_epochs == self.counters.env_steps:
            return
        self.phase = "evaluation"
        accuracies: dict[str, Tensor | float] = {}
        for name, examples in ((TRAIN_ACCURACY, self.training), (TEST_ACCURACY, self.test)):
            if examples is not None:
                correct: list[Tensor] = []
                for chunk in examples.chunks():
                    correct.append(self.learner.correct(chunk))
                    yield
                accuracies[name] = 100 * torch.stack(correct).sum() / len(examples)
        # All at its end: what is cut off and begins again has said nothing yet.
        self.journal.add(self.counters, accuracies)
        self.phase = "training"
        self.evaluated_epochs = self.counters.env_steps

    def _close_step(self) -> None:
        if self.counters.env_steps < self.lengths.epochs:
            self.aftercare.intervene(self.counters)
        self.step_is_open = False

    def state_dict(self) -> dict[str, Any]:
        """All that changes while training, valid whenever `steps` has yielded; the images are of the data set."""
        return {
            "counters": asdict(self.counters),
            "order": self.order,
            "position": self.position,
            "labels": self.training.labels,
            "evaluated_epochs": self.evaluated_epochs,
            "step_is_open": self.step_is_open,
            "learner": self.learner.state_dict(),
            "aftercare": self.aftercare.state_dict(),
            "samplers": self.samplers.state_dict(),
            "generators": {name: generator.bit_generator.state for name, generator in self.generators.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.counters = Counters(**state["counters"])
        self.order = state["order"]
        self.position = state["position"]
        self.training.labels = state["labels"].to(self.training.labels.device)
        self.evaluated_epochs = state["evaluated_epochs"]
        self.step_is_open = state["step_is_open"]
        self.learner.load_state_dict(state["learner"])
        self.aftercare.load_state_dict(state["aftercare"])
        self.samplers.load_state_dict(state["samplers"])
        for name, generator in self.generators.items():
            generator.bit_generator.state = state["generators"][name]
