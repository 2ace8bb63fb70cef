"""The dashboard as data: saved views of a project and one report. Nothing here needs W&B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from redo_lab.analysis.recipes import in_report
from redo_lab.analysis.schemes import METRICS
from redo_lab.dashboards import keys, panels
from redo_lab.dashboards.panels import Clock, Section

EXPERIMENT = "run.experiment"
JOB_TYPE = "JobType"
GAME, RECYCLER, REPLAY_RATIO = (f"axes.{axis}" for axis in ("game", "recycler", "replay_ratio"))


@dataclass(frozen=True)
class Filter:
    """Runs whose `key` compares to `value` so: = != IN. key: a dotted key of the config, or W&B's JobType."""

    key: str
    comparison: str
    value: Any


@dataclass(frozen=True)
class View:
    """Runs that fulfil all `filters`, grouped by axes of their config, and their panels. An empty grouping: run by run.

    key: what tells it from the other views, always the same.
    """

    key: str
    name: str
    filters: tuple[Filter, ...]
    grouping: tuple[str, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Report:
    """A page with a part for each view."""

    title: str
    parts: tuple[View, ...]


@dataclass(frozen=True)
class Dashboard:
    """What is in W&B under a project. entity: None before it is known whose project it is."""

    entity: str | None
    project: str
    views: tuple[View, ...]
    report: Report

    def plain(self) -> dict[str, Any]:
        """The specification as JSON can hold it; each panel says what kind it is."""
        views = [_plain(view) for view in self.views]
        parts = [_plain(part) for part in self.report.parts]
        return {
            "entity": self.entity,
            "project": self.project,
            "table of runs": [*panels.AXES, *panels.OUTCOMES],
            "views": views,
            "report": {"title": self.report.title, "parts": parts},
        }


@dataclass(frozen=True)
class Scope:
    """Which runs the dashboard is about, and the clock of its curves."""

    project: str
    experiment: str | None
    games: tuple[str, ...]
    over: Clock

    @property
    def title(self) -> str:
        return f"redo_lab {self.experiment}" if self.experiment else "redo_lab"

    def view(self, key: str, grouping: Sequence[str], sections: Sequence[Section], *more: Filter) -> View:
        """The view of the runs of this scope for which `more` holds, too."""
        filters = (*self._experiment(), *self._games(), Filter(JOB_TYPE, "!=", keys.AGGREGATE), *more)
        return View(self._key(key), f"{self.title}: {key}", filters, tuple(grouping), tuple(sections))

    def aggregates(self) -> View:
        """The view of the runs that hold aggregates, whatever their games."""
        section = panels.aggregates(METRICS, in_report())
        filters = (*self._experiment(), Filter(JOB_TYPE, "=", keys.AGGREGATE))
        return View(self._key(keys.AGGREGATE), f"{self.title}: {keys.AGGREGATE}s", filters, (), (section,))

    def curves(self) -> tuple[Section, ...]:
        """The sections that are curves."""
        parts = (panels.returns, panels.dormancy, panels.plasticity, panels.interventions)
        return tuple(part(self.over) for part in parts)

    def _key(self, key: str) -> str:
        return "/".join((self.project, self.experiment or "", key))

    def _experiment(self) -> tuple[Filter, ...]:
        return (Filter(EXPERIMENT, "=", self.experiment),) if self.experiment else ()

    def _games(self) -> tuple[Filter, ...]:
        return (Filter(GAME, "IN", list(self.games)),) if self.games else ()


def dashboard(entity: str | None, scope: Scope) -> Dashboard:
    """The dashboard of the runs in `scope`."""
    usual = (*scope.curves(), panels.throughput(), panels.comparison())
    scaled = (panels.scaling(), panels.returns(Clock.updates), panels.dormancy(Clock.updates))
    views = (
        scope.view("overview", (RECYCLER, REPLAY_RATIO), usual),
        scope.view("methods at RR 1", (RECYCLER,), usual, Filter(REPLAY_RATIO, "=", 1)),
        scope.view("replay-ratio scaling", (RECYCLER, REPLAY_RATIO), scaled),
        scope.view("per game", (GAME, RECYCLER, REPLAY_RATIO), scope.curves()),
        # Of one experiment that is all there is to see run by run; of a whole project, experiment by experiment.
        scope.view("one study", () if scope.experiment else (EXPERIMENT,), usual),
        scope.aggregates(),
    )
    each = replace(scope, games=())
    games = (each.view(game, (RECYCLER, REPLAY_RATIO), scope.curves(), Filter(GAME, "=", game)) for game in scope.games)
    return Dashboard(entity, scope.project, views, Report(f"{scope.title}: report", (views[-1], views[0], *games)))


def _plain(view: View) -> dict[str, Any]:
    sections = [
        {"name": section.name, "panels": [{"kind": type(panel).__name__, **asdict(panel)} for panel in section.panels]}
        for section in view.sections
    ]
    return {**asdict(view), "sections": sections}
