"""Learning from a fixed memory, update by update: draw, update, probe, intervene."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from redo_lab.protocols import Journal, Study, Trained
from redo_lab.runs.names import TRAIN_LOSS
from redo_lab.studies.aftercare import Aftercare, Samplers
from redo_lab.studies.gradient import GradientSteps, headline
from redo_lab.types import Counters, Progress, Sampler

Loading = Callable[[int], Iterator[None]]
"""Updates made → the steps that bring into memory what the next one learns from; usually there are none."""


@dataclass(frozen=True)
class Lengths:
    """Of a run, in updates; when it logs; and how many agent steps one update stands for on the clock env_steps."""

    updates: int
    log_period_updates: int
    env_steps_per_update: int | Fraction = 1


def nothing_to_load(_: int) -> Iterator[None]:
    """For data that are in memory from the start."""
    yield from ()


class Updates(Study):
    """One run. A step is one update, with its probes, and then its interventions; none acts after the last update.

    The data don't change, so a run has no bulk: what it learns from is on disk already, or follows from its config.
    """

    bulk = None

    def __init__(
        self,
        *,
        lengths: Lengths,
        learner: Trained,
        batch_size: int,
        samplers: Samplers,
        aftercare: Aftercare,
        journal: Journal,
        loading: Loading = nothing_to_load,
        end_env_step: Callable[[int], None] | None = None,
    ) -> None:
        """end_env_step: called last in each step with each agent step that it stands for, as a target network needs."""
        self.lengths = lengths
        self.learner = learner
        self.batch_size = batch_size
        self.samplers = samplers
        self.sample: Sampler = samplers.named("training")
        self.aftercare = aftercare
        self.journal = journal
        self.loading = loading
        self.end_env_step = end_env_step
        self.gradient = GradientSteps(learner, aftercare, journal, lengths.log_period_updates)
        self.counters = Counters()
        self.phase = "training"

    def steps(self) -> Iterator[None]:
        """Trains to the end, from the beginning or from a loaded state; yields after each update, and while it loads.

        Whenever it has yielded, the last update is complete, so that nothing but `state_dict` is needed to go on.
        """
        while self.counters.updates < self.lengths.updates:
            self.phase = "loading"
            yield from self.loading(self.counters.updates)
            self.phase = "training"
            self._step()
            yield

    def _step(self) -> None:
        batch = self.sample(self.batch_size)
        before = self.counters.env_steps
        self.counters.env_steps = int((self.counters.updates + 1) * self.lengths.env_steps_per_update)
        self.gradient.make(batch, self.counters)
        if self.counters.updates < self.lengths.updates:
            self.aftercare.intervene(self.counters)
        if self.end_env_step is not None:
            for env_step in range(before + 1, self.counters.env_steps + 1):
                self.end_env_step(env_step)

    def progress(self) -> Progress:
        """Updates made, of all; the phase is training or loading."""
        return Progress(self.counters.updates, self.lengths.updates, "updates", self.phase)

    def clocks(self) -> Counters:
        """Updates made, and the agent steps that they stand for."""
        return self.counters

    def headline(self) -> dict[str, float]:
        """The newest loss and total dormant %, as soon as there are any."""
        return headline(self.journal.latest, "loss", TRAIN_LOSS)

    def lose_bulk(self) -> None:
        """It has none."""

    def state_dict(self) -> dict[str, Any]:
        """All that changes while training, valid whenever `steps` has yielded."""
        return {
            "counters": asdict(self.counters),
            "learner": self.learner.state_dict(),
            "aftercare": self.aftercare.state_dict(),
            "samplers": self.samplers.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.counters = Counters(**state["counters"])
        self.learner.load_state_dict(state["learner"])
        self.aftercare.load_state_dict(state["aftercare"])
        self.samplers.load_state_dict(state["samplers"])
