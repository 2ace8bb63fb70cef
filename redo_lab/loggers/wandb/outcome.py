"""What came of a run, for its summary in W&B: the numbers worth a column of a table of runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from redo_lab.analysis.normalise import Normalisation, human_normalised, normalisation_for
from redo_lab.loggers.wandb.history import Measured, Moment
from redo_lab.runs import names
from redo_lab.runs.entry import OLD_SCORE


class Outcome:
    """Scores as analysis has them: the final one is the mean of the last 10 % of the evaluations, at least of one."""

    def __init__(self, run: Mapping[str, Any], axes: Mapping[str, Any]) -> None:
        """`run`: what run.json says of its score, nothing in old runs."""
        self._scored_by = str(run.get("scored_by", OLD_SCORE))
        self._best = max if run.get("higher_is_better") is not False else min
        self._suite, self._game = str(axes.get("suite", "")), str(axes.get("game", ""))
        self.moments: list[Moment] = []
        self._scores: list[float] = []
        self._dormant: dict[str, float] = {}

    def add(self, measured: Measured) -> None:
        """The next values, in the order of time."""
        self.moments.append(measured.moment)
        if self._scored_by in measured.values:
            self._scores.append(measured.values[self._scored_by])
        self._dormant |= {k: v for k, v in measured.values.items() if k.startswith(names.DORMANT_TOTAL)}

    def summary(self, directory: Path) -> dict[str, float]:
        """By name, what is known of it; the throughput is that of all attempts in `directory`."""
        # Loads polars, of which a run that goes on has no need.
        from redo_lab.analysis.costs import costs

        known = {
            **self._of_scores(),
            names.FINAL_DORMANT_PERCENT: names.dormant_percent(self._dormant),
            names.FINAL_UPDATES_PER_S: costs([str(directory)])["updates_per_s"][0],
        }
        return {name: value for name, value in known.items() if value is not None}

    def _of_scores(self) -> dict[str, float]:
        if not self._scores:
            return {}
        last = self._scores[-max(1, len(self._scores) // 10) :]
        final = sum(last) / len(last)
        scores = {names.FINAL_SCORE: final, names.BEST_SCORE: self._best(self._scores)}
        # A game whose human score nobody knows has no normalised one.
        with suppress(ValueError):
            if normalisation_for(self._suite, self._scored_by) is Normalisation.HUMAN:
                scores[names.NORMALISED_SCORE] = human_normalised(final, self._game)
        return scores
