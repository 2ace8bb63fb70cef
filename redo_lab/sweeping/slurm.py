"""A multirun as packed jobs of a Slurm cluster."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig

from redo_lab.config import parse, require
from redo_lab.launch import site
from redo_lab.launch.estimate import Cost, hours_text
from redo_lab.launch.queued import queued
from redo_lab.launch.record import Sweep, SweepRun
from redo_lab.launch.slurm import TARGET, Slurm, SubmissionRefused
from redo_lab.replay.memory import GIB
from redo_lab.runs import about
from redo_lab.runs.identity import code_version
from redo_lab.sweeping.planned import Planned, dry, make_room, planned_jobs, preview, without_duplicates, write

EXIT_REFUSED = 1


class SlurmSweep:
    """Checks every job of a multirun, then submits those that are neither finished nor in the queue."""

    def __init__(self, context: HydraContext, config: DictConfig, settings: Mapping[str, Any]) -> None:
        """settings: hydra.launcher; ConfigError for what can't work."""
        self.context, self.config = context, config
        self.slurm: Slurm.Config = parse({"_target_": TARGET, **settings}, "hydra.launcher")

    def run(self, job_overrides: Sequence[Sequence[str]]) -> int:
        """0: every run asked for is finished, in the queue, submitted now or described; 1: Slurm has refused some."""
        planned = planned_jobs(self.context, self.config, job_overrides, here=False)
        wanted = without_duplicates(planned)
        due, waiting = _due(wanted)
        if not due:
            return 0
        _check_memory(self.slurm, due)
        code, slurm = code_version(), Slurm(self.slurm)
        sweeps = [Sweep.begin(sys.argv[1:], code, asdict(self.slurm), runs) for runs in _by_experiment(due)]
        for sweep in sweeps:
            slurm.check(sweep)
        if dry(planned):
            print(_described(slurm, sweeps, [job for job in wanted if _directory(job) not in waiting]))
            return 0
        print(preview(due).heading(lambda cost: _in_jobs(slurm, sweeps, cost)), file=sys.stderr)
        _warn(code, self.slurm, due)
        make_room(due)
        write(due)
        return next((refused for sweep in sweeps if (refused := _submit(slurm, sweep))), 0)

    def objectives(self) -> None:
        """Not known yet: jobs have been submitted, or described."""


def _due(wanted: Sequence[Planned]) -> tuple[list[Planned], set[Path]]:
    """Those that are neither finished nor in the queue, and the directories of those in it; prints the counts."""
    unfinished = [job for job in wanted if job.plan.plain["force"] or not job.plan.finished]
    already = queued([_directory(job) for job in unfinished])
    _refuse_forced(job for job in unfinished if _directory(job) in already)
    due = [job for job in unfinished if _directory(job) not in already]
    print(_counted(len(wanted), len(wanted) - len(unfinished), len(already), len(due)))
    return due, already


def _directory(job: Planned) -> Path:
    return job.plan.directory.absolute()


def _submit(slurm: Slurm, sweep: Sweep) -> int:
    """The code to end with."""
    try:
        for line in slurm.submit(sweep):
            print(line)
    except SubmissionRefused as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
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


def _run(job: Planned) -> SweepRun:
    run = about.of(job.plan.run)
    return SweepRun(run.run_id, str(job.plan.directory.absolute()), job.name, run.total, run.unit, list(job.words))


def _by_experiment(due: Sequence[Planned]) -> list[list[SweepRun]]:
    """The runs of each experiment: a record lies beside the runs that it is of, where `status` looks for it."""
    experiments: dict[Path, list[SweepRun]] = defaultdict(list)
    for job in due:
        experiments[job.plan.directory.parent].append(_run(job))
    return list(experiments.values())


def _counted(wanted: int, finished: int, queued: int, due: int) -> str:
    parts = {"finished": finished, "in the queue": queued, "to submit": due}
    summary = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
    return f"{wanted} {'run' if wanted == 1 else 'runs'}: {summary}"


def _described(slurm: Slurm, sweeps: Sequence[Sweep], wanted: Sequence[Planned]) -> str:
    """The files that sbatch would get, then what the runs are and take."""
    sizes = {sweep.id: _arrays(slurm, sweep) for sweep in sweeps}
    texts = [
        slurm.sbatch_text(sweep.folder.parent.name, sweep.folder / sweep.id, size)
        for sweep in sweeps
        for size in sizes[sweep.id]
    ]
    runs, jobs, arrays = sum(len(sweep.runs) for sweep in sweeps), sum(map(sum, sizes.values())), len(texts)
    counts = f"{runs} {_plural('run', runs)} in {jobs} {_plural('job', jobs)}, {arrays} {_plural('array', arrays)}"
    return "\n".join([*texts, counts, preview(wanted).text(lambda cost: _in_jobs(slurm, sweeps, cost))])


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _arrays(slurm: Slurm, sweep: Sweep) -> list[int]:
    """How many jobs each array has."""
    packs = slurm.packs(sweep.runs, slurm.config.max_jobs)
    limit = site.max_array_jobs()
    return [len(packs[at : at + limit]) for at in range(0, len(packs), limit)]


def _in_jobs(slurm: Slurm, sweeps: Sequence[Sweep], cost: Cost) -> list[str]:
    """GPU-hours where the jobs have GPUs: runs that share one are taken not to slow each other down."""
    on_gpus = bool(slurm.config.gpus or slurm.config.shards)
    held = hours_text(cost.hours / slurm.config.runs_per_gpu).replace(" h", " GPU-hours" if on_gpus else " job-hours")
    measured_elsewhere = on_gpus and "cuda" not in cost.devices
    jobs = sum(sum(_arrays(slurm, sweep)) for sweep in sweeps)
    return [f"in {jobs} {_plural('job', jobs)}: {held}" + " at a CPU's rate, less on a GPU" * measured_elsewhere]


def _warn(code: dict[str, Any], config: Slurm.Config, due: Sequence[Planned]) -> None:
    if code["dirty"] and not config.snapshot:
        print(
            "the code has uncommitted changes, and jobs run it as it is when they start; "
            "hydra.launcher.snapshot=true keeps it",
            file=sys.stderr,
        )
    if (config.gpus or config.shards) and any(job.plan.plain["device"] == "cpu" for job in due):
        print("the jobs ask for GPUs and device=cpu leaves them idle: device=auto takes them", file=sys.stderr)
