"""What our launchers have in common: they check every job before the first starts, and know what a dry run is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from redo_lab.sweeping.keys import Search


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

        self.context, self.config, self.learns = hydra_context, config, learns(config.hydra.sweeper)
        require(
            self.waits or not self.learns,
            f"hydra/sweeper={config.hydra.runtime.choices['hydra/sweeper']} learns from finished runs, and "
            f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']} returns before they end: give "
            "hydra/launcher=local",
        )
        self.sweep = self.jobs(hydra_context, config)
        self.search = self._search() if self.learns else None

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """The runs are finished, submitted or, in a dry run, described; SystemExit if something went wrong.

        A sweeper that learns gets the objective of each job; SystemExit ends it in a dry run, too. Of its words a job
        has those that apply to it.
        """
        if self.search is not None:
            job_overrides = self.search.fitted(job_overrides)
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

    def _search(self) -> Search:
        """What the words of the command line may ask for."""
        from hydra_plugins.redo_lab_sweeper.grid import values
        from redo_lab.options import groups
        from redo_lab.sweeping.keys import Search, is_choice

        names, loader = frozenset(groups()), self.context.config_loader
        axes = [values(word, loader) for word in self.config.hydra.overrides.task if is_choice(word, names)]
        choices = [list(combination) for combination in product(*axes)]
        return Search(choices, lambda words: ours(self.context, self.config, words))


def ours(context: HydraContext, config: DictConfig, words: Sequence[str]) -> DictConfig:
    """The config of a job, without Hydra's own; `config`: of the multirun."""
    composed = context.config_loader.load_sweep_config(config, list(words))
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _returned(words: Sequence[str], value: float) -> JobReturn:
    job = JobReturn(overrides=words, status=JobStatus.COMPLETED)
    job.return_value = value
    return job
