"""What runs would do and cost, before any of them starts: what `dry_run=true` prints."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from redo_lab.config import ConfigError
from redo_lab.launch.estimate import Cost, Rest, cost, hours_text
from redo_lab.launch.rates import Work, kind_of
from redo_lab.plan import Plan
from redo_lab.replay.memory import GIB
from redo_lab.runs import status
from redo_lab.runs.status import State

UPDATES = "gradient steps"
QUOTED_NUMBER = re.compile(r"(?<==)'([\d.]+)'$")
"""As the sweeper gives the options of a group that look like numbers."""


@dataclass(frozen=True)
class Wanted:
    """A run that is asked for and how far it is; words: those that ask for it alone."""

    plan: Plan
    done: int
    finished: bool
    words: Sequence[str]

    @classmethod
    def of(cls, plan: Plan, words: Sequence[str]) -> Wanted:
        """As its directory is now; with force=true it starts anew."""
        before = None if plan.plain["force"] else status.read(plan.directory)
        if before is None:
            return cls(plan, 0, False, words)
        return cls(plan, min(before.done, plan.study.total), before.state is State.FINISHED, words)


class Preview:
    """All runs of a sweep, or a single one."""

    def __init__(self, runs: Sequence[Wanted]) -> None:
        self.runs = runs
        self.due = [run for run in runs if not run.finished]

    @cached_property
    def cost(self) -> Cost:
        """Of what is left, by all runs below the roots that these runs go to."""
        return cost([_rest(run) for run in self.due], {Path(run.plan.plain["root"]) for run in self.due})

    def text(self, place: Callable[[Cost], list[str]]) -> str:
        """Several lines; `place` adds what the hours mean where the runs would go."""
        lines = [self._counts(), self._lengths(), *self._sizes(), *self._time(place)]
        return "\n".join([*lines, "dry run: nothing was written and nothing was started"])

    def heading(self, place: Callable[[Cost], list[str]]) -> str:
        """One line before a sweep starts: how many runs are due, and how long they take."""
        due = _runs(len(self.due))
        if not self.cost.priced:
            return f"{due} to do; how long that takes is not known yet: none like them has been measured"
        but = f"; {len(self.cost.unknown)} of them left out, like none that was measured" if self.cost.unknown else ""
        where = "".join(f", {line}" for line in place(self.cost))
        return f"{due} to do: about {hours_text(self.cost.hours)} in all{where}, {self.cost.source}{but}"

    def _counts(self) -> str:
        continued = sum(run.done > 0 for run in self.due)
        counts = {
            "finished": len(self.runs) - len(self.due),
            "to continue": continued,
            "new": len(self.due) - continued,
        }
        return f"{_runs(len(self.runs))}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count)

    def _lengths(self) -> str:
        """Of all runs, finished ones too."""
        amounts: Counter[str] = Counter()
        for run in self.runs:
            study = run.plan.study
            amounts[study.unit] += study.total
            if study.unit not in (UPDATES, "updates"):
                amounts[UPDATES] += study.planned_updates(run.plan.plain)
        named = ", ".join(f"{amount:,} {unit}" for unit, amount in amounts.items())
        each = ", ".join(f"{round(amount / len(self.runs)):,} {unit}" for unit, amount in amounts.items())
        return f"length: {named}" + (f"; a run on average {each}" if len(self.runs) > 1 else "")

    def _sizes(self) -> list[str]:
        if not self.due:
            return []
        memory = max(run.plan.study.memory_bytes() for run in self.due)
        disk = max(run.plan.study.saved_bytes() * run.plan.plain["checkpoint"]["replay"] for run in self.due)
        lines = [f"memory: up to {_size(memory)} for the data of a run"] if memory else []
        return [*lines, *([f"disk: up to {_size(disk)} for each run under way, less compressed"] if disk else [])]

    def _time(self, place: Callable[[Cost], list[str]]) -> list[str]:
        if not self.due:
            return []
        lines = []
        if self.cost.priced:
            each = f", {hours_text(self.cost.hours / self.cost.priced)} a run" if self.cost.priced > 1 else ""
            what = f"{self.cost.priced} of {len(self.due)} runs" if self.cost.unknown else "what is left"
            lines = [f"time: about {hours_text(self.cost.hours)} for {what}{each}, {self.cost.source}"]
            lines += [f"time {line}" for line in place(self.cost)]
        if self.cost.unknown:
            roots = " and ".join(sorted({run.plan.plain["root"] for run in self.due}))
            words = _typed(self.due[self.cost.unknown[0]].words)
            which = f"of the other {len(self.cost.unknown)} " if self.cost.priced else ""
            lines += [
                f"time {which}not known: no run like these has been measured below {roots}. To measure one, start it, "
                "press Ctrl-C a minute after its first update and ask again; it goes on from there later:",
                f"  redo-lab train {words}",
            ]
        return lines


def _rest(run: Wanted) -> Rest:
    plan = run.plan
    study, axes = plan.study, plan.run["axes"]
    left = study.total - run.done
    # How long whole games are, as those that evaluate DrQ(ε) and SAC, nobody knows before.
    evaluation_steps = plan.plain.get("evaluation", {}).get("env_steps") or 0
    evaluated = evaluation_steps * plan.plain["training"].get("iterations", 0)
    share = left / study.total
    kind = kind_of(plan.run["study"], axes, plan.plain)
    work = Work(kind, left + evaluated * share, study.planned_updates(plan.plain) * share)
    return Rest(left, study.unit, axes, plan.same_pace_axes, work)


def machine_problem(plans: Sequence[Plan]) -> str | None:
    """Why this machine can't do one of `plans`, if that is so."""
    for plan in {id(plan.checked): plan for plan in plans}.values():
        try:
            plan.check_machine()
        except ConfigError as error:
            return f"this machine can't run {'it' if len(plans) == 1 else 'all of them'}: {error}"
    return None


def _typed(words: Sequence[str]) -> str:
    """The words as a user would type them to start the run."""
    plain = [QUOTED_NUMBER.sub(r"\1", word) for word in words if not word.startswith("dry_run=")]
    return shlex.join(plain)


def _runs(count: int) -> str:
    return f"{count} {'run' if count == 1 else 'runs'}"


def _size(amount: float) -> str:
    return f"{amount / GIB:.1f} GiB" if amount >= GIB / 10 else f"{amount / 2**20:.2g} MiB"
