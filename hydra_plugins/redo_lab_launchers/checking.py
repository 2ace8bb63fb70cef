"""What our launchers have in common: they check every job before the first starts, and know what a dry run is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Jobs(Protocol):
    """What is done with the jobs of a multirun."""

    def run(self, job_overrides: Sequence[Sequence[str]]) -> int:
        """The code to end with."""

    def objectives(self) -> list[float] | None:
        """Of each job, in order, what a sweeper that learns is told; None where no run has been done."""


class CheckingLauncher(Launcher):
    """Launches through `redo_lab.sweeping`; ends the program with an exit code if something went wrong."""

    waits: ClassVar[bool]
    """Whether the runs have ended when `launch` returns."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def jobs(self, hydra_context: HydraContext, config: DictConfig) -> Jobs:
        """What does them; raises ConfigError on settings that can't work."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ready to launch; raises ConfigError on settings that can't work."""
        from redo_lab.config import require
        from redo_lab.sweeping.objective import learns

        self.config, self.learns = config, learns(config.hydra.sweeper)
        require(
            self.waits or not self.learns,
            f"hydra/sweeper={config.hydra.runtime.choices['hydra/sweeper']} learns from finished runs, and "
            f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']} returns before they end: give "
            "hydra/launcher=local",
        )
        self.sweep = self.jobs(hydra_context, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """The runs are finished, submitted or, in a dry run, described; SystemExit if something went wrong.

        A sweeper that learns gets the objective of each job; SystemExit ends it in a dry run, too.
        """
        if code := self.sweep.run(job_overrides):
            raise SystemExit(code)
        if not self.learns:
            return []
        objectives = self.sweep.objectives()
        if objectives is None:
            raise SystemExit(0)
        # Where the sweeper leaves its results.
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        return [_returned(words, value) for words, value in zip(job_overrides, objectives, strict=True)]


def _returned(words: Sequence[str], value: float) -> JobReturn:
    job = JobReturn(overrides=words, status=JobStatus.COMPLETED)
    job.return_value = value
    return job
