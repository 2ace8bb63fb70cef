"""The jobs of a multirun as checked plans; what every launcher does before it starts anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from redo_lab.config import ConfigError, require, resolve
from redo_lab.launch.names import short_names, varying
from redo_lab.options import check_lists
from redo_lab.plan import Plan, plan
from redo_lab.runs.place import set_aside, writing
from redo_lab.sweeping.preview import Preview, Wanted


@dataclass(frozen=True)
class Planned:
    """A job that can run, its short name and its words."""

    plan: Plan
    name: str
    words: Sequence[str]


def planned_jobs(
    context: HydraContext, config: DictConfig, job_overrides: Sequence[Sequence[str]], *, here: bool
) -> list[Planned]:
    """A plan for every job, in order; raises ConfigError naming the jobs that can't work. Nothing is written.

    here: on this machine, whose memory and device are checked, too.
    """
    planned: list[Planned] = []
    seeds = _Seeds(context, config, here)
    mistakes: dict[str, list[Sequence[str]]] = {}
    names = short_names(job_overrides)
    for overrides, varied, name in zip(job_overrides, varying(job_overrides), names, strict=True):
        try:
            planned.append(Planned(seeds.plan(overrides), name, overrides))
        except ConfigError as error:
            mistakes.setdefault(str(error), []).append(varied)
    if mistakes:
        raise ConfigError("; ".join(_message(message, jobs, len(job_overrides)) for message, jobs in mistakes.items()))
    return planned


def without_duplicates(planned: Sequence[Planned]) -> list[Planned]:
    """The first job of each run directory."""
    return list({job.plan.directory: job for job in reversed(planned)}.values())[::-1]


def preview(wanted: Sequence[Planned]) -> Preview:
    """What `wanted` would do and cost."""
    return Preview([Wanted.of(job.plan, job.words) for job in wanted])


def dry(planned: Sequence[Planned]) -> bool:
    """Whether the jobs are only to be described; ConfigError if that holds for some of them alone."""
    answers = {job.plan.dry_run for job in planned}
    require(len(answers) == 1, "dry_run must be the same for all jobs of a sweep")
    return answers.pop()


def make_room(planned: Sequence[Planned]) -> None:
    """With force=true, what these runs have left is beside their directories; ConfigError if one is being worked on."""
    forced = [job.plan for job in planned if job.plan.plain["force"]]
    if forced:
        stale_seconds = max(plan.plain["checkpoint"]["stale_seconds"] for plan in forced)
        with writing(forced[0].plain["root"]):
            set_aside([plan.directory for plan in forced], stale_seconds=stale_seconds)


def write(planned: Sequence[Planned]) -> None:
    """Every run's directory holds its config.yaml and run.json."""
    for job in planned:
        with writing(job.plan.plain["root"]):
            job.plan.write()


class _Seeds:
    """Plans that share one composition where jobs differ only in `seed=<number>`, and nothing refers to the seed."""

    def __init__(self, context: HydraContext, config: DictConfig, here: bool) -> None:
        self.context, self.config, self.here = context, config, here
        self._first: dict[tuple[str, ...], Plan] = {}

    def plan(self, overrides: Sequence[str]) -> Plan:
        """As if the job had been composed by itself; raises ConfigError if it can't work."""
        seed = next((word for word in reversed(overrides) if word.startswith("seed=")), "")
        others = tuple(word for word in overrides if not word.startswith("seed="))
        number = seed.removeprefix("seed=")
        if others in self._first and number.isdecimal():
            return self._first[others].with_seed(int(number))
        planned, refers = self._plan(overrides)
        if number.isdecimal() and not refers:
            self._first[others] = planned
        return planned

    def _plan(self, overrides: Sequence[str]) -> tuple[Plan, bool]:
        """The plan, and whether anything in the config refers to the seed."""
        check_lists(overrides)
        composed = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        ours = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        refers = re.search(r"\$\{[^}]*\bseed\b", OmegaConf.to_yaml(ours)) is not None
        return plan(resolve(ours), composed.hydra.runtime.choices, overrides, here=self.here), refers


def _message(message: str, jobs: Sequence[Sequence[str]], total: int) -> str:
    if len(jobs) == total:
        return message
    others = f" and {len(jobs) - 1} more of {total} jobs" if len(jobs) > 1 else f", 1 of {total} jobs"
    return f"{message} (in {' '.join(jobs[0])}{others})"
