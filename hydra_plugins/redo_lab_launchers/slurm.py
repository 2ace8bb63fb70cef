"""`hydra/launcher=slurm`: the jobs of a multirun as packed jobs of a Slurm cluster."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from hydra_plugins.redo_lab_launchers._jobs import Planned
    from redo_lab.launch.record import Sweep, SweepRun
    from redo_lab.launch.slurm import Slurm

EXIT_REFUSED = 1


class SlurmLauncher(Launcher):
    """Checks every job, submits those that are neither finished nor in the queue, and returns."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ready to launch; raises ConfigError on settings that can't work."""
        from redo_lab.config import parse
        from redo_lab.launch.slurm import TARGET

        self.slurm = parse({"_target_": TARGET, **self.settings}, "hydra.launcher")
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Every run asked for is finished, in the queue or submitted now; SystemExit(1) if Slurm refused some."""
        from hydra_plugins.redo_lab_launchers._jobs import make_room, planned_jobs, without_duplicates, write
        from redo_lab.launch.queued import queued
        from redo_lab.launch.record import Sweep
        from redo_lab.launch.slurm import Slurm, SubmissionRefused
        from redo_lab.runs.identity import code_version

        planned = planned_jobs(self.hydra_context, self.config, job_overrides, here=False)
        overrides = {id(job): list(words) for job, words in zip(planned, job_overrides, strict=True)}
        wanted = without_duplicates(planned)
        unfinished = [job for job in wanted if job.plan.plain["force"] or not job.plan.finished]
        already = queued([job.plan.directory.absolute() for job in unfinished])
        _refuse_forced(job for job in unfinished if job.plan.directory.absolute() in already)
        due = [job for job in unfinished if job.plan.directory.absolute() not in already]
        print(_counted(len(wanted), len(wanted) - len(unfinished), len(already), len(due)))
        if not due:
            return []
        _check_memory(self.slurm, due)
        runs = [_run(job, overrides[id(job)]) for job in due]
        code = code_version()
        sweep = Sweep.begin(sys.argv[1:], code, asdict(self.slurm), runs)
        slurm = Slurm(self.slurm)
        slurm.check(sweep)
        if self.slurm.dry_run:
            print(_preview(slurm, sweep, due))
            return []
        _warn(code, self.slurm, due)
        make_room(due)
        write(due)
        try:
            for line in slurm.submit(sweep):
                print(line)
        except SubmissionRefused as error:
            print(f"redo-lab train: {error}", file=sys.stderr)
            raise SystemExit(EXIT_REFUSED) from error
        print(f"submitted; the record is {sweep.path}. How it goes: redo-lab status {sweep.folder.parent}")
        return []


def _refuse_forced(queued: Iterable[Planned]) -> None:
    from redo_lab.config import require

    for job in queued:
        what = f"{job.plan.directory} has a job in the queue"
        require(not job.plan.plain["force"], f"force=true: {what}; end that first (redo-lab cancel)")


def _check_memory(config: Slurm.Config, due: Sequence[Planned]) -> None:
    from redo_lab.config import require
    from redo_lab.replay.memory import GIB

    if config.mem_gb is not None:
        largest = max(job.plan.study.memory_bytes() for job in due) / GIB
        at_once = min(config.at_once, len(due))
        require(
            at_once * largest <= config.mem_gb,
            f"hydra.launcher.mem_gb={config.mem_gb:g}: a replay takes up to {largest:.1f} GiB, and {at_once} runs go "
            f"at once in a job: mem_gb={math.ceil(at_once * (largest + 1))} leaves each 1 GiB besides",
        )


def _run(job: Planned, overrides: list[str]) -> SweepRun:
    from redo_lab.launch.record import SweepRun
    from redo_lab.runs import about

    run = about.of(job.plan.run)
    return SweepRun(run.run_id, str(job.plan.directory.absolute()), job.name, run.total, run.unit, overrides)


def _counted(wanted: int, finished: int, queued: int, due: int) -> str:
    parts = {"finished": finished, "in the queue": queued, "to submit": due}
    told = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
    return f"{wanted} {'run' if wanted == 1 else 'runs'}: {told}"


def _preview(slurm: Slurm, sweep: Sweep, due: Sequence[Planned]) -> str:
    from redo_lab.launch import site
    from redo_lab.launch.estimate import hours

    packs = slurm.packs(sweep.runs, slurm.config.max_jobs)
    limit = site.max_array_jobs()
    sizes = [len(packs[at : at + limit]) for at in range(0, len(packs), limit)]
    folder = sweep.folder / sweep.id
    texts = [slurm.sbatch_text(sweep.folder.parent.name, folder, size) for size in sizes]
    axes, experiments = [job.plan.run["axes"] for job in due], {job.plan.directory.parent for job in due}
    alone, unknown = hours(sweep.runs, axes, experiments)
    unit = "GPU-hours" if slurm.config.gpus or slurm.config.shards else "job-hours"
    told = f"{alone / slurm.config.runs_per_gpu:.1f} {unit}"
    estimate = "no run like these has been measured below this folder" if unknown == len(due) else f"about {told}"
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
