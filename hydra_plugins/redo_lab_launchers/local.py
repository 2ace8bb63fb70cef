"""`hydra/launcher=local`: the jobs of a multirun on the cores of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LocalLauncher(Launcher):
    """`redo_lab.sweeping.local` for Hydra; ends the program with an exit code if not all runs finish."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ready to launch; raises ConfigError on settings that can't work."""
        from redo_lab.sweeping.local import LocalSweep

        self.sweep = LocalSweep(hydra_context, config, self.settings)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Every run asked for is finished; SystemExit with the code to end with if one is not."""
        if code := self.sweep.run(job_overrides):
            raise SystemExit(code)
        return []
