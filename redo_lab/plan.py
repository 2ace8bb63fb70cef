"""From a composed config to a run directory that is ready to run, everything checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from redo_lab.config import ConfigError, InputError, Part, RunConfig, part, require, run_config
from redo_lab.options import check_targets
from redo_lab.protocols import Logger
from redo_lab.runs import identity, provenance, status
from redo_lab.runs.place import check_place, set_aside
from redo_lab.runs.status import State
from redo_lab.runs.stored import of_another_version
from redo_lab.studies.blueprint import Blueprint

COMMON_AXES = ("scale", "seed")
"""What the runs of every study vary beside its own axes: how much is done and which sample it is, not at which pace."""

VIDEO = "video_every_env_steps"


@dataclass(frozen=True)
class CheckedRun:
    """A whole config, parsed once and checked: what every run has, its tracker and its study.

    video_every_env_steps: after so many agent steps, again and again, a game is filmed; None: never.
    """

    config: RunConfig
    logger: Part[Logger]
    study: Blueprint
    video_every_env_steps: int | None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> CheckedRun:
        """The run that `plain` (resolved) describes; raises ConfigError for what can't work on any machine.

        Only redo_lab's classes and those of packages that the user has named are imported (`options.check_targets`).
        """
        check_targets(plain)
        config, study = run_config(plain)
        _check_device(config.device)
        # Films are the same whichever logger it is, so it sees nothing of them.
        logger = {key: value for key, value in config.logger.items() if key != VIDEO}
        return cls(config, part(logger, "logger", Logger), study, _film_period(config.logger.get(VIDEO), study))


@dataclass(frozen=True)
class Plan:
    """A checked run. `directory` need not exist yet; dry_run: it is only to be described.

    objective: what a sweeper that learns is told of it, `score` or the name of a metric.
    """

    plain: Mapping[str, Any]
    run: Mapping[str, Any]
    directory: Path
    checked: CheckedRun
    dry_run: bool
    objective: str

    @property
    def study(self) -> Blueprint:
        """What the run does."""
        return self.checked.study

    @property
    def finished(self) -> bool:
        """Whether the run has been run to its end before."""
        before = status.read(self.directory)
        return before is not None and before.state is State.FINISHED

    @property
    def same_pace_axes(self) -> tuple[str, ...]:
        """The axes of the run whose value leaves its pace as it is."""
        return (*self.study.same_pace_axes, *COMMON_AXES)

    def with_seed(self, seed: int) -> Plan:
        """The same run with another seed, for a config in which nothing else depends on the seed."""
        plain = {**self.plain, "seed": seed}
        run = {**self.run, **_identity(plain, {**self.run["axes"], "seed": seed}, self.study)}
        return replace(self, plain=plain, run=run, directory=self.directory.with_name(run["run_id"]))

    def check_machine(self) -> None:
        """Raises ConfigError if this machine lacks the memory, the device or the tracker's login."""
        check_machine(self.checked)

    def set_aside(self) -> None:
        """The directory is free, what it held beside it; ConfigError if somebody works on it."""
        set_aside([self.directory], stale_seconds=self.plain["checkpoint"]["stale_seconds"])

    def write(self) -> None:
        """The directory is ready to run with this config; a run that is there already keeps its own as it began."""
        provenance.prepare(self.directory, OmegaConf.to_yaml(OmegaConf.create(dict(self.plain))), self.run)


def stored_run(config: Mapping[str, Any], directory: Path) -> CheckedRun:
    """The run that `config`, which lies in `directory`, describes; ConfigError if another redo_lab began it.

    InputError if what it reads has gone or changed.
    """
    try:
        return CheckedRun.of(config)
    except InputError:
        raise
    except ConfigError as error:
        raise of_another_version(directory, str(error)) from error


def plan(plain: Mapping[str, Any], choices: Mapping[str, str], words: Sequence[str] = (), *, here: bool = True) -> Plan:
    """The run that `plain` (resolved) asks for; raises ConfigError for whatever can't work. Nothing is written.

    words: the overrides that made it, which name it where its axes don't tell it from others.
    here: it is to run on this machine, so that has to have the memory and the device, unless it is a dry run.
    """
    dry_run = plain["dry_run"]
    require(isinstance(dry_run, bool), f"dry_run must be true or false, got {dry_run}")
    objective = plain["objective"]
    require(isinstance(objective, str), f"objective must be score or the name of a metric, got {objective}")
    plain = {key: value for key, value in plain.items() if key not in ("dry_run", "objective")}
    checked = CheckedRun.of(plain)
    config, study = checked.config, checked.study
    _refuse_idle(words, study)
    check_place(config.root, config.experiment)
    if config.device != "auto":
        study.check_device(torch.device(config.device))
    if here and not dry_run:
        check_machine(checked)
    common = dict(zip(COMMON_AXES, (choices["scale"], config.seed), strict=True))
    axes = {**study.axes(choices), **common}
    run = {
        **_identity(plain, axes, study),
        "changes": identity.changes(plain, choices, axes, words),
        "experiment": config.experiment,
        "study": choices["study"],
        "total": study.total,
        "unit": study.unit,
        "clocks": dict(study.clocks),
        "scored_by": study.scored_by,
        "score_word": study.score_word,
        "higher_is_better": study.higher_is_better,
        "frames_per_step": study.frames_per_step,
        "git": identity.code_version(),
        "versions": identity.versions(),
    }
    return Plan(plain, run, Path(config.root) / config.experiment / run["run_id"], checked, dry_run, objective)


def _refuse_idle(words: Sequence[str], study: Blueprint) -> None:
    """ConfigError if one of `words` sets what nothing in the run depends on."""
    for word in words:
        for key, reason in study.idle().items():
            if f"{word.partition('=')[0].lstrip('+')}.".startswith(f"{key}."):
                raise ConfigError(f"{word} would change nothing: {reason}")


def _identity(plain: Mapping[str, Any], axes: Mapping[str, Any], study: Blueprint) -> dict[str, Any]:
    """The part of run.json that tells this run from all others."""
    digest, words = identity.digest(plain), [*study.label(axes), f"s{axes['seed']}"]
    return {
        "run_id": "-".join([*words, digest]),
        "name": " ".join(words),
        "axes": dict(axes),
        "identity": digest,
        "settings": identity.relevant(plain),
    }


def check_machine(checked: CheckedRun) -> None:
    """This machine has the device, the memory and the tracker's login; raises ConfigError if not."""
    device = checked.config.device
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device={device}, but torch finds no CUDA device here; device=cpu or device=auto works")
    checked.study.check_machine(device_of(device))
    checked.logger.cls.check_start(checked.logger.config)


def device_of(name: str) -> torch.device:
    """`auto` is the GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _film_period(value: object, study: Blueprint) -> int | None:
    """`value` as it stands in the config; ConfigError if it is no number of agent steps or `study` can't be filmed."""
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise ConfigError(f"logger.{VIDEO} must be ≥ 1 or null, got {value}")
    try:
        study.check_film()
    except ConfigError as error:
        raise ConfigError(f"logger.{VIDEO}={value}: {error}") from error
    return value


def _check_device(device: str) -> None:
    try:
        known = device == "auto" or torch.device(device).type in ("cpu", "cuda")
    except RuntimeError:
        known = False
    require(known, f"device must be cpu, cuda, cuda:<n> or auto, got {device}")
