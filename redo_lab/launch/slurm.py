"""Runs on a Slurm cluster: packed into jobs, submitted as arrays through submitit, recorded; then we are gone."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redo_lab.config import ConfigError, parse, require
from redo_lab.launch import site, snapshot
from redo_lab.launch.board import Job
from redo_lab.launch.child import write_pending
from redo_lab.launch.pack import Pack, Settings
from redo_lab.launch.record import Sweep, SweepRun
from redo_lab.paths import USER_CONF
from redo_lab.runs.identity import code_version

if TYPE_CHECKING:
    from submitit.slurm.slurm import SlurmExecutor

ENDLESS = 10**6
"""How often submitit may queue a job again after its time limit; a run that gets nowhere is stopped by its crashes."""
SAVING_SECONDS = 15
OPTION = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
PYTHON = f"{shlex.quote(sys.executable)} -P"
"""-P: a job begins in the folder of its submission, where a queue.py of the user's may lie."""
TARGET = "redo_lab.launch.slurm.Slurm"


class SubmissionRefused(Exception):
    """Slurm took no more; what it took is recorded."""


class Slurm:
    """Submits runs; the schema is conf/hydra/launcher/slurm.yaml, where each setting is explained."""

    @dataclass
    class Config:
        """time: minutes; mem_gb: of a job; gpus: of a job; cpus_per_run: also torch's threads; null: the site's own."""

        partition: str | None
        account: str | None
        qos: str | None
        constraint: str | None
        time: int
        mem_gb: float | None
        cpus_per_run: int
        gpus: int
        shards: int | None
        runs_per_gpu: int
        setup: list[str]
        sbatch: dict[str, Any]
        max_jobs: int | None
        running_jobs: int
        signal_seconds: int
        requeue: bool
        max_crashes: int
        snapshot: bool

        def __post_init__(self) -> None:
            for name in ("time", "cpus_per_run", "runs_per_gpu", "running_jobs", "max_crashes", "max_jobs", "shards"):
                value = getattr(self, name)
                require(value is None or value >= 1, f"{name} must be ≥ 1, got {value}")
            require(self.gpus >= 0, f"gpus must be ≥ 0, got {self.gpus}")
            require(self.shards is None or self.gpus == 0, "shards are parts of a GPU: with shards, gpus=0")
            require(
                SAVING_SECONDS < self.signal_seconds < 60 * self.time,
                f"signal_seconds must lie between {SAVING_SECONDS} and the {60 * self.time} s of time, "
                f"got {self.signal_seconds}",
            )
            require(self.mem_gb is None or self.mem_gb > 0, f"mem_gb must be > 0, got {self.mem_gb}")
            for name in ("partition", "account", "qos", "constraint"):
                _check_line(name, getattr(self, name))
            for option, value in self.sbatch.items():
                require(OPTION.fullmatch(option) is not None, f"sbatch: {option!r} is no option of sbatch")
                _check_line(f"sbatch.{option}", value)

        @property
        def at_once(self) -> int:
            """Runs side by side in one job."""
            return self.runs_per_gpu * max(1, self.gpus)

    def __init__(self, config: Slurm.Config) -> None:
        self.config = config

    def check(self, sweep: Sweep) -> None:
        """ConfigError if `sweep` lies where Slurm would misread the path: it reads these even when they are quoted."""
        misread = sorted({letter for letter in str(sweep.folder) if letter in "'\"\\%"})
        require(not misread, f"{sweep.folder}: Slurm can't have {' '.join(misread)} in a path; choose another root=")

    def parameters(self, name: str) -> dict[str, Any]:
        """submitit's, for jobs called `name`."""
        config = self.config
        given = {
            "partition": config.partition,
            "account": config.account,
            "qos": config.qos,
            "constraint": config.constraint,
            "mem": None if config.mem_gb is None else f"{round(config.mem_gb * 1024)}M",
            "gpus_per_node": config.gpus or None,
            "gres": None if config.shards is None else f"shard:{config.shards}",
            "setup": [*_user_conf(), *config.setup] or None,
        }
        return {
            "job_name": name,
            "time": config.time,
            "nodes": 1,
            "ntasks_per_node": 1,
            "cpus_per_task": config.cpus_per_run * config.at_once,
            "signal_delay_s": config.signal_seconds,
            "array_parallelism": config.running_jobs,
            "stderr_to_stdout": True,
            "additional_parameters": {"requeue" if config.requeue else "no-requeue": True, **config.sbatch},
            **{key: value for key, value in given.items() if value is not None},
        }

    def packs(self, runs: Sequence[SweepRun], most: int | None) -> list[list[SweepRun]]:
        """The runs of each job: as many as go at once; if that made more than `most` jobs, they wait in the jobs."""
        count = -(-len(runs) // self.config.at_once)
        if most is None or count <= most:
            return [list(runs[at : at + self.config.at_once]) for at in range(0, len(runs), self.config.at_once)]
        return [list(runs[at::most]) for at in range(most)]

    def sbatch_text(self, name: str, folder: Path, jobs: int) -> str:
        """The file that sbatch gets for an array of `jobs`."""
        from submitit.slurm.slurm import _make_sbatch_string

        command = f"{PYTHON} -u -m submitit.core._submit {shlex.quote(str(folder))}"
        count: dict[str, Any] = {"map_count": jobs} if jobs > 1 else {}
        return str(_make_sbatch_string(command=command, folder=folder, **self.parameters(name), **count))

    def submit(self, sweep: Sweep) -> Iterator[str]:
        """Submits all of `sweep`, giving a line for each array; the record is on disk before the next goes in.

        ConfigError: there is no Slurm here, or it has no room for a single job. SubmissionRefused: it took only a part.
        """
        self.check(sweep)
        executor = self._executor(sweep)
        most = self._most()
        packs = self.packs(sweep.runs, most)
        limit = site.max_array_jobs()
        sweep.write()
        for run in sweep.runs:
            write_pending(Job(run.name, Path(run.directory), run.total, run.unit))
        for at in range(0, len(packs), limit):
            chunk = packs[at : at + limit]
            for job, pack in zip(self._array(executor, chunk, sweep), chunk, strict=True):
                sweep.jobs[job] = [run.run_id for run in pack]
            sweep.write()
            runs = sum(map(len, chunk))
            yield f"{runs} runs in {len(chunk)} {'job' if len(chunk) == 1 else 'jobs'}: {job.partition('_')[0]}"

    def _most(self) -> int | None:
        config = self.config
        room = site.room(config.partition, config.account, config.qos)
        if room == 0:
            raise ConfigError("Slurm takes no more jobs of yours now (submit limit): try again when some have ended")
        return min((limit for limit in (config.max_jobs, room) if limit is not None), default=None)

    def _executor(self, sweep: Sweep) -> SlurmExecutor:
        try:
            from submitit.slurm.slurm import SlurmExecutor
        except ImportError as error:
            raise ConfigError("hydra/launcher=slurm needs submitit: pip install 'redo_lab[slurm]'") from error
        try:
            executor = SlurmExecutor(folder=sweep.folder / sweep.id, max_num_timeout=ENDLESS, python=PYTHON)
        except RuntimeError as error:
            raise ConfigError(f"hydra/launcher=slurm: {error}") from error
        parameters = self.parameters(sweep.folder.parent.name)
        if self.config.snapshot:
            sweep.snapshot = str(snapshot.take(sweep.folder / sweep.id / "code"))
        if sweep.snapshot is not None:
            kept = f"export PYTHONPATH={shlex.quote(sweep.snapshot)}${{PYTHONPATH:+:$PYTHONPATH}}"
            parameters["setup"] = [*parameters.get("setup", []), kept]
        executor.update_parameters(**parameters)
        return executor

    def _array(self, executor: SlurmExecutor, packs: Sequence[Sequence[SweepRun]], sweep: Sweep) -> list[str]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            with executor.batch():
                jobs = [executor.submit(self._pack(pack)) for pack in packs]
        except (FailedJobError, FailedSubmissionError) as error:
            left = len(sweep.runs) - sum(map(len, sweep.jobs.values()))
            raise SubmissionRefused(
                f"sbatch refused an array of {len(packs)} jobs: {error}\n{left} of {len(sweep.runs)} runs have no job; "
                "fewer jobs: hydra.launcher.max_jobs=N. The same command again submits what is missing"
            ) from error
        return [job.job_id for job in jobs]

    def _pack(self, runs: Sequence[SweepRun]) -> Pack:
        config = self.config
        settings = Settings(
            at_once=config.at_once,
            gpus=config.gpus,
            threads_per_run=config.cpus_per_run,
            max_crashes=config.max_crashes,
            grace_seconds=config.signal_seconds - SAVING_SECONDS / 3,
        )
        return Pack([Job(run.name, Path(run.directory), run.total, run.unit) for run in runs], settings)


def _user_conf() -> list[str]:
    """What tells a job of the user's own conf folders where a site hands no environment on."""
    return [f"export {USER_CONF}={shlex.quote(os.environ[USER_CONF])}"] if os.environ.get(USER_CONF) else []


def resubmit(runs: Sequence[SweepRun], settings: Mapping[str, Any]) -> Sweep:
    """A new submission of `runs`, whose directories exist, with the `settings` of an earlier one."""
    # Older versions recorded settings that there are no more.
    known = [field.name for field in fields(Slurm.Config)]
    settings = {name: value for name, value in settings.items() if name in known}
    sweep = Sweep.begin(sys.argv, code_version(), settings, runs)
    for line in Slurm(parse({"_target_": TARGET, **settings}, "hydra.launcher")).submit(sweep):
        print(line)
    return sweep


def _check_line(name: str, value: object) -> None:
    """What goes into a line of the job's script starts no line of its own."""
    require(value is None or str(value).isprintable(), f"{name}={value!r}: control characters can't be part of it")
