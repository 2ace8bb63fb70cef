"""What our launchers have in common: they check every job before the first starts, and know what a dry run is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Jobs(Protocol):
    """What is done with the jobs of a multirun."""

    def run(self, job_overrides: Sequence[Sequence[str]]) -> int:
        """The code to end with."""


class CheckingLauncher(Launcher):
    """Launches through `redo_lab.sweeping`; ends the program with an exit code if something went wrong."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def jobs(self, hydra_context: HydraContext, config: DictConfig) -> Jobs:
        """What does them; raises ConfigError on settings that can't work."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ready to launch; raises ConfigError on settings that can't work."""
        self.sweep = self.jobs(hydra_context, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """All is well: the runs are finished, submitted or, in a dry run, described; SystemExit if it isn't."""
        if code := self.sweep.run(job_overrides):
            raise SystemExit(code)
        return []
