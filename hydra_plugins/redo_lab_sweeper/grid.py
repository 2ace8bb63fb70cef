"""`hydra/sweeper=grid`: the jobs of a multirun, from the command line or a sweep file, all at once to the launcher.

Unlike Hydra's own it composes no job itself: our launchers compose and check every job before they start one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, ValueType
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.redo_lab_launchers.checking import CheckingLauncher, ours


class GridSweeper(Sweeper):
    """The product of all axes, minus what the sweep file leaves out."""

    def __init__(self, file: str | None) -> None:
        self.file = file

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Ready to sweep."""
        self.context, self.composed = hydra_context, config
        self.jobs_launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: Sequence[str]) -> None:
        """Launches every job; ConfigError if a sweep file is wrong or leaves none."""
        from redo_lab.config import ConfigError
        from redo_lab.launch.sweep_file import SweepFile

        described = SweepFile.read(Path(self.file)) if self.file else SweepFile()
        jobs = described.jobs(arguments, self._values)
        if not jobs:
            raise ConfigError(self._nothing(arguments))
        jobs = self._applied(jobs)
        if not isinstance(self.jobs_launcher, CheckingLauncher) and self._is_dry(jobs[0]):
            self._describe(jobs)
            return
        self.jobs_launcher.launch(jobs, initial_job_idx=0)

    def _applied(self, jobs: list[list[str]]) -> list[list[str]]:
        """Each with the words that apply to it; ConfigError for a key that no job has."""
        from redo_lab.commands.mistakes import MISTAKES, explain
        from redo_lab.config import ConfigError
        from redo_lab.sweeping.keys import applied

        result = applied(jobs, self._ours)
        for job in result.unknown.values():
            try:
                self._ours(job)
            except MISTAKES as error:
                raise ConfigError(explain(error, job)) from error
        print("".join(f"{note}\n" for note in result.notes), end="", file=sys.stderr)
        return result.jobs

    def _ours(self, words: Sequence[str]) -> DictConfig:
        return ours(self.context, self.composed, words)

    def _nothing(self, arguments: Sequence[str]) -> str:
        """Why there is no job: a word without a value, or a file that leaves all out."""
        empty = [word for word in arguments if not self._values(word)]
        return f"{empty[0]} holds no value: there is nothing to run" if empty else f"{self.file}: no job is left"

    def _is_dry(self, job: list[str]) -> bool:
        return bool(self.context.config_loader.load_sweep_config(self.composed, job).dry_run)

    def _describe(self, jobs: list[list[str]]) -> None:
        """Every job is checked as ours are, for launchers that know no dry run."""
        from redo_lab.sweeping.planned import planned_jobs, preview, without_duplicates

        wanted = without_duplicates(planned_jobs(self.context, self.composed, jobs, here=False))
        print(preview(wanted).text(lambda cost: []))

    def _values(self, word: str) -> list[str]:
        return values(word, self.context.config_loader)


def values(word: str, config_loader: ConfigLoader | None = None) -> list[str]:
    """`seed=range(2)` → `seed=0`, `seed=1`, as Hydra reads it; `recycler=glob(*)` → each option that the loader lists.

    Without a loader those that the group has. ConfigError for what has no end, such as an interval.
    """
    from redo_lab.commands.words import quoted
    from redo_lab.config import ConfigError
    from redo_lab.options import groups, options

    (override,) = OverridesParser.create(config_loader).parse_overrides([quoted(word, groups())])
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise ConfigError(f"{word}: only values that can be counted are swept: a list, range or choice")
    # A glob lists options as they are called, which may be a number.
    if config_loader is None and override.value_type is ValueType.GLOB_CHOICE_SWEEP:
        chosen = cast(Glob, override.value()).filter(options(key))
        return [quoted(f"{key}={option}", groups()) for option in chosen]
    return [quoted(f"{key}={value}", groups()) for value in override.sweep_string_iterator()]
