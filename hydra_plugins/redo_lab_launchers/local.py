"""`hydra/launcher=local`: the jobs of a multirun on the cores of this machine."""

from __future__ import annotations

from hydra.types import HydraContext
from omegaconf import DictConfig

from hydra_plugins.redo_lab_launchers.checking import CheckingLauncher, Jobs


class LocalLauncher(CheckingLauncher):
    """`redo_lab.sweeping.local` for Hydra; ends the program with an exit code if not all runs finish."""

    waits = True

    def jobs(self, hydra_context: HydraContext, config: DictConfig) -> Jobs:
        """Those of this machine; raises ConfigError on settings that can't work."""
        from redo_lab.sweeping.local import LocalSweep

        return LocalSweep(hydra_context, config, self.settings)
