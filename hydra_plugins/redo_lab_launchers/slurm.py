"""`hydra/launcher=slurm`: the jobs of a multirun as packed jobs of a Slurm cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SlurmLauncher(Launcher):
    """`redo_lab.sweeping.slurm` for Hydra; ends the program with an exit code if Slurm refuses a job."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ready to launch; raises ConfigError on settings that can't work."""
        from redo_lab.sweeping.slurm import SlurmSweep

        self.sweep = SlurmSweep(hydra_context, config, self.settings)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Every run asked for is finished, in the queue or submitted now; SystemExit if Slurm refused some."""
        if code := self.sweep.run(job_overrides):
            raise SystemExit(code)
        return []
