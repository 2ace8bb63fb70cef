"""`hydra/launcher=slurm`: the jobs of a multirun as packed jobs of a Slurm cluster."""

from __future__ import annotations

from hydra.types import HydraContext
from omegaconf import DictConfig

from hydra_plugins.redo_lab_launchers.checking import CheckingLauncher, Jobs


class SlurmLauncher(CheckingLauncher):
    """`redo_lab.sweeping.slurm` for Hydra; ends the program with an exit code if Slurm refuses a job."""

    waits = False

    def jobs(self, hydra_context: HydraContext, config: DictConfig) -> Jobs:
        """Those of a cluster; raises ConfigError on settings that can't work."""
        from redo_lab.sweeping.slurm import SlurmSweep

        return SlurmSweep(hydra_context, config, self.settings)
