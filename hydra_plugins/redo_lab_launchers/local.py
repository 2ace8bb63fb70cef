"""`hydra/launcher=local`: the jobs of a multirun on the cores of this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from hydra_plugins.redo_lab_launchers._jobs import Planned
    from redo_lab.launch.local import Pool

POOL = "redo_lab.launch.local.Pool"


class LocalLauncher(Launcher):
    """Checks every job, then does those that are not finished; ends the program with an exit code if not all finish."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ready to launch; raises ConfigError on settings that can't work."""
        from redo_lab.config import parse

        self.pool = parse({"_target_": POOL, **self.settings}, "hydra.launcher")
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Every run asked for is finished; SystemExit with the code to end with if one is not."""
        from hydra_plugins.redo_lab_launchers._jobs import make_room, planned_jobs, without_duplicates, write
        from redo_lab.launch.board import Job
        from redo_lab.launch.local import Pool, exit_code
        from redo_lab.launch.table import display, summary
        from redo_lab.runs import about

        planned = planned_jobs(self.hydra_context, self.config, job_overrides, here=True)
        wanted = without_duplicates(planned)
        if len(wanted) < len(planned):
            again = len(planned) - len(wanted)
            print(f"{again} of {len(planned)} jobs ask for the same run as another; each is run once", file=sys.stderr)
        due = [job for job in wanted if job.plan.plain["force"] or not job.plan.finished]
        gpus = _gpus(self.pool, due)
        settings = _fitted(self.pool, due, len(gpus))
        make_room(due)
        write(due)
        lengths = [about.of(job.plan.run) for job in due]
        jobs = [Job(job.name, job.plan.directory, run.total, run.unit) for job, run in zip(due, lengths, strict=True)]
        with display(settings.line_seconds) as shown:
            board = Pool(settings, shown, gpus=gpus).run(jobs, finished_before=len(wanted) - len(due))
        print(summary(board))
        if exit_code(board):
            raise SystemExit(exit_code(board))
        return []


def _gpus(settings: Pool.Config, due: Sequence[Planned]) -> list[str]:
    """Those that the runs are shared out among: none if a run says itself where it goes (cpu, cuda:1)."""
    from redo_lab.launch.gpus import visible

    if any(job.plan.plain["device"] not in ("auto", "cuda") for job in due):
        return []
    return visible() if settings.gpus is None else settings.gpus


def _fitted(settings: Pool.Config, due: Sequence[Planned], gpus: int) -> Pool.Config:
    """`settings` with as many runs at once as memory holds when their replays are full; too many asked for: refused."""
    from redo_lab.config import ConfigError
    from redo_lab.replay.memory import GIB, available_bytes

    if not due:
        return settings
    largest, available = max(job.plan.study.memory_bytes() for job in due), available_bytes()
    fit = max(1, available // largest)
    if min(settings.at_once(gpus), len(due)) <= fit:
        return settings
    why = f"a replay takes up to {largest / GIB:.1f} GiB of memory, {available / GIB:.1f} GiB are available"
    if settings.runs_at_once is not None:
        raise ConfigError(f"hydra.launcher.runs_at_once={settings.runs_at_once}: {why}, so at most {fit} at once")
    print(f"{fit} at once: {why}", file=sys.stderr)
    return replace(settings, runs_at_once=fit)
