"""A gradient step as every study makes it, and the headline that follows from what it logs."""

from __future__ import annotations

from collections.abc import Mapping

from redo_lab.protocols import Journal, Trained
from redo_lab.runs.names import dormant_percent
from redo_lab.studies.aftercare import Aftercare
from redo_lab.types import Batch, Counters


class GradientSteps:
    """Updates of a learner in which interventions take part: counted, logged now and then, measured by the probes."""

    def __init__(self, learner: Trained, aftercare: Aftercare, journal: Journal, log_period_updates: int) -> None:
        self.learner = learner
        self.aftercare = aftercare
        self.journal = journal
        self.log_period_updates = log_period_updates

    def make(self, batch: Batch, counters: Counters) -> None:
        """One update on `batch` has been made; it is counted in `counters`."""
        metrics = self.learner.update(batch, self.aftercare.hooks)
        counters.updates += 1
        if counters.updates % self.log_period_updates == 0:
            # Copies: the next update of a CUDA graph writes to the same memory, and they are fetched later.
            values = {**metrics, **self.aftercare.hooks.penalties}
            self.journal.add(counters, {name: value.clone() for name, value in values.items()})
        self.aftercare.measure(counters)


def headline(latest: Mapping[str, float], name: str, metric: str) -> dict[str, float]:
    """The newest value of `metric`, called `name`, and the total dormant %, as soon as there are any."""
    shown = {name: latest.get(metric), "dormant %": dormant_percent(latest)}
    return {label: value for label, value in shown.items() if value is not None}
