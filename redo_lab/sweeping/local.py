"""A multirun on the cores and GPUs of this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig

from redo_lab.config import ConfigError, parse
from redo_lab.launch.board import Job
from redo_lab.launch.estimate import Cost, hours_text
from redo_lab.launch.gpus import measured, names, runs_per_gpu, visible
from redo_lab.launch.local import AUTO, Pool, exit_code
from redo_lab.launch.table import display, summary
from redo_lab.replay import memory
from redo_lab.runs import about
from redo_lab.sweeping.objective import check_direction, objective
from redo_lab.sweeping.planned import Planned, dry, make_room, planned_jobs, preview, without_duplicates, write
from redo_lab.sweeping.preview import machine_problem

POOL = "redo_lab.launch.local.Pool"


class LocalSweep:
    """Checks every job of a multirun, then does those that are not finished."""

    def __init__(self, context: HydraContext, config: DictConfig, settings: Mapping[str, Any]) -> None:
        """settings: hydra.launcher; ConfigError for what can't work."""
        self.context, self.config = context, config
        self.pool: Pool.Config = parse({"_target_": POOL, **settings}, "hydra.launcher")

    def run(self, job_overrides: Sequence[Sequence[str]]) -> int:
        """0: every run asked for is finished, or described in a dry run; otherwise the code to end with."""
        planned = planned_jobs(self.context, self.config, job_overrides, here=True)
        self.asked = [job.plan for job in planned]
        check_direction(self.config.hydra.sweeper, self.asked)
        wanted = without_duplicates(planned)
        if len(wanted) < len(planned):
            again = len(planned) - len(wanted)
            print(f"{again} of {len(planned)} jobs ask for the same run as another; each is run once", file=sys.stderr)
        due = [job for job in wanted if job.plan.plain["force"] or not job.plan.finished]
        gpus = _gpus(self.pool, due)
        self.pool = _packed(self.pool, due, bool(gpus))
        if dry(planned):
            self._describe(wanted, due, len(gpus))
            return 0
        settings = _fitted(self.pool, due, len(gpus))
        at_once = min(settings.at_once(len(gpus)), len(due))
        if due:
            print(preview(wanted).heading(lambda cost: _side_by_side(cost, at_once)), file=sys.stderr)
        make_room(due)
        write(due)
        with display(settings.line_seconds) as shown:
            pool = Pool(settings, shown, gpus=gpus)
            board = pool.run([_job(job) for job in due], finished_before=len(wanted) - len(due))
        print(summary(board))
        return exit_code(board)

    def objectives(self) -> list[float] | None:
        """Those of the runs asked for last, once they are finished; None after a dry run."""
        return None if any(plan.dry_run for plan in self.asked) else [objective(plan) for plan in self.asked]

    def _describe(self, wanted: Sequence[Planned], due: Sequence[Planned], gpus: int) -> None:
        problem = machine_problem([job.plan for job in due])
        settings = self.pool if problem else _fitted(self.pool, due, gpus)
        at_once = min(settings.at_once(gpus), len(due))
        if problem:
            print(problem)
        print(preview(wanted).text(lambda cost: _side_by_side(cost, at_once)))


def _side_by_side(cost: Cost, at_once: int) -> list[str]:
    """Side by side they share the cores that they were measured on, or not: nobody knows before."""
    return [f"{at_once} at once, {hours_text(cost.hours / at_once)} or more"] if at_once > 1 else []


def _job(job: Planned) -> Job:
    run = about.of(job.plan.run)
    return Job(job.name, job.plan.directory, run.total, run.unit)


def _gpus(settings: Pool.Config, due: Sequence[Planned]) -> list[str]:
    """Those that the runs are shared out among: none if a run says itself where it goes (cpu, cuda:1)."""
    if any(job.plan.plain["device"] not in ("auto", "cuda") for job in due):
        return []
    return visible() if settings.gpus is None else settings.gpus


def _packed(settings: Pool.Config, due: Sequence[Planned], on_gpus: bool) -> Pool.Config:
    """`settings` with as many runs a GPU as were measured, if that is asked for; where nothing was, 1 and a word."""
    if settings.runs_per_gpu != AUTO:
        return settings
    kinds = names() if on_gpus else []
    found = runs_per_gpu({_workload(job) for job in due}, kinds, measured()) if due else None
    if due and found is None and on_gpus:
        print(
            f"runs_per_gpu=auto: nothing was measured on {', '.join(kinds) or 'these GPUs'} (make bench-gpu does it): "
            "1 run on each",
            file=sys.stderr,
        )
    return settings.packed(found)


def _workload(job: Planned) -> str:
    """What a run was measured as: impala of that network, else its agent."""
    axes = job.plan.run["axes"]
    return "impala" if axes.get("network") == "impala" else str(axes.get("agent", ""))


def _fitted(settings: Pool.Config, due: Sequence[Planned], gpus: int) -> Pool.Config:
    """`settings` with as many runs at once as memory holds when their replays are full; more are refused."""
    if not due:
        return settings
    largest, available = max(job.plan.study.memory_bytes() for job in due), memory.available_bytes()
    fit = max(1, available // largest)
    if min(settings.at_once(gpus), len(due)) <= fit:
        return settings
    why = (
        f"a replay takes up to {largest / memory.GIB:.1f} GiB of memory, {available / memory.GIB:.1f} GiB are available"
    )
    if settings.runs_at_once is not None:
        raise ConfigError(f"hydra.launcher.runs_at_once={settings.runs_at_once}: {why}, so at most {fit} at once")
    print(f"{fit} at once: {why}", file=sys.stderr)
    return replace(settings, runs_at_once=fit)
