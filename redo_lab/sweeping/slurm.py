"""A multirun as packed jobs of a Slurm cluster."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig

from redo_lab.config import parse, require
from redo_lab.launch import site
from redo_lab.launch.estimate import Axes, hours
from redo_lab.launch.queued import queued
from redo_lab.launch.record import Sweep, SweepRun
from redo_lab.launch.slurm import TARGET, Slurm, SubmissionRefused
from redo_lab.replay.memory import GIB
from redo_lab.runs import about
from redo_lab.runs.identity import code_version
from redo_lab.sweeping.planned import Planned, make_room, planned_jobs, without_duplicates, write

EXIT_REFUSED = 1


class SlurmSweep:
    """Checks every job of a multirun, then submits those that are neither finished nor in the queue."""

    def __init__(self, context: HydraContext, config: DictConfig, settings: Mapping[str, Any]) -> None:
        """settings: hydra.launcher; ConfigError for what can't work."""
        self.context, self.config = context, config
        self.slurm: Slurm.Config = parse({"_target_": TARGET, **settings}, "hydra.launcher")

    def run(self, job_overrides: Sequence[Sequence[str]]) -> int:
        """0: every run asked for is finished, in the queue or submitted now; 1: Slurm has refused some."""
        planned = planned_jobs(self.context, self.config, job_overrides, here=False)
        overrides = {id(job): list(words) for job, words in zip(planned, job_overrides, strict=True)}
        due = _due(without_duplicates(planned))
        if not due:
            return 0
        _check_memory(self.slurm, due)
        code = code_version()
        runs = [_run(job, overrides[id(job)]) for job in due]
        sweep, slurm = Sweep.begin(sys.argv[1:], code, asdict(self.slurm), runs), Slurm(self.slurm)
        slurm.check(sweep)
        if self.slurm.dry_run:
            print(_preview(slurm, sweep, due))
            return 0
        _warn(code, self.slurm, due)
        make_room(due)
        write(due)
        return _submit(slurm, sweep)


def _due(wanted: Sequence[Planned]) -> list[Planned]:
    """Those that are neither finished nor in the queue; prints how many are which."""
    unfinished = [job for job in wanted if job.plan.plain["force"] or not job.plan.finished]
    already = queued([_directory(job) for job in unfinished])
    _refuse_forced(job for job in unfinished if _directory(job) in already)
    due = [job for job in unfinished if _directory(job) not in already]
    print(_counted(len(wanted), len(wanted) - len(unfinished), len(already), len(due)))
    return due


def _directory(job: Planned) -> Path:
    return job.plan.directory.absolute()


def _submit(slurm: Slurm, sweep: Sweep) -> int:
    """The code to end with."""
    try:
        for line in slurm.submit(sweep):
            print(line)
    except SubmissionRefused as error:
        print(f"redo-lab train: {error}", file=sys.stderr)
        return EXIT_REFUSED
    print(f"submitted; the record is {sweep.path}. How it goes: redo-lab status {sweep.folder.parent}")
    return 0


def _refuse_forced(queued: Iterable[Planned]) -> None:
    for job in queued:
        what = f"{job.plan.directory} has a job in the queue"
        require(not job.plan.plain["force"], f"force=true: {what}; end that first (redo-lab cancel)")


def _check_memory(config: Slurm.Config, due: Sequence[Planned]) -> None:
    if config.mem_gb is not None:
        largest = max(job.plan.study.memory_bytes() for job in due) / GIB
        at_once = min(config.at_once, len(due))
        require(
            at_once * largest <= config.mem_gb,
            f"hydra.launcher.mem_gb={config.mem_gb:g}: a replay takes up to {largest:.1f} GiB, and {at_once} runs go "
            f"at once in a job: mem_gb={math.ceil(at_once * (largest + 1))} leaves each 1 GiB besides",
        )


def _run(job: Planned, overrides: list[str]) -> SweepRun:
    run = about.of(job.plan.run)
    return SweepRun(run.run_id, str(job.plan.directory.absolute()), job.name, run.total, run.unit, overrides)


def _counted(wanted: int, finished: int, queued: int, due: int) -> str:
    parts = {"finished": finished, "in the queue": queued, "to submit": due}
    summary = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
    return f"{wanted} {'run' if wanted == 1 else 'runs'}: {summary}"


def _preview(slurm: Slurm, sweep: Sweep, due: Sequence[Planned]) -> str:
    packs = slurm.packs(sweep.runs, slurm.config.max_jobs)
    limit = site.max_array_jobs()
    sizes = [len(packs[at : at + limit]) for at in range(0, len(packs), limit)]
    folder = sweep.folder / sweep.id
    texts = [slurm.sbatch_text(sweep.folder.parent.name, folder, size) for size in sizes]
    axes = [Axes(job.plan.run["axes"], job.plan.same_pace_axes) for job in due]
    experiments = {job.plan.directory.parent for job in due}
    alone, unknown = hours(sweep.runs, axes, experiments)
    unit = "GPU-hours" if slurm.config.gpus or slurm.config.shards else "job-hours"
    summary = f"{alone / slurm.config.runs_per_gpu:.1f} {unit}"
    estimate = "no run like these has been measured below this folder" if unknown == len(due) else f"about {summary}"
    left_out = f" (without {unknown} runs unlike any measured one)" if 0 < unknown < len(due) else ""
    counts = f"{len(due)} runs in {len(packs)} jobs, {len(sizes)} arrays"
    return "\n".join([*texts, f"{counts}; {estimate}{left_out}; nothing submitted"])


def _warn(code: dict[str, Any], config: Slurm.Config, due: Sequence[Planned]) -> None:
    if code["dirty"] and not config.snapshot:
        print(
            "the code has uncommitted changes, and jobs run it as it is when they start; "
            "hydra.launcher.snapshot=true keeps it",
            file=sys.stderr,
        )
    if (config.gpus or config.shards) and any(job.plan.plain["device"] == "cpu" for job in due):
        print("the jobs ask for GPUs and device=cpu leaves them idle: device=auto takes them", file=sys.stderr)
