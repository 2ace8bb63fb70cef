"""Training's side of W&B: a process sends metrics.csv, and at the end of the run it is awaited for a limited time."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from redo_lab.config import ConfigError, require
from redo_lab.loggers.wandb import labels, login
from redo_lab.loggers.wandb.process import News, Process
from redo_lab.protocols import Logger
from redo_lab.types import Row

LOG = logging.getLogger("redo_lab")

IDENTITY = (
    "run_id",
    "experiment",
    "env_steps",
    "study",
    "total",
    "unit",
    "clocks",
    "scored_by",
    "score_word",
    "higher_is_better",
    "identity",
    "git",
    "versions",
)
"""What a table of runs needs of a run, beside its config."""

EXIT_CODES = {"finished": 0, "interrupted": 255}
"""W&B shows 0 as finished, 255 (its own code for Ctrl-C) as killed and any other as failed."""

FORBIDDEN = frozenset("/\\#?%:")
"""In the name of a W&B project."""

FIRST_WAIT, SENDING, START = 0.6, 0.4, 0.3
"""Shares of timeout_seconds: until the rest becomes an offline run instead, for sending it, and for W&B's start."""


class Mode(Enum):
    """online: sent as it comes, needs `wandb login`; offline: kept in the run directory for `wandb sync`."""

    online = "online"
    offline = "offline"


class Wandb(Logger):
    """A W&B run whose history rows are those of metrics.csv, with env_steps, updates and frames as axes.

    A process of its own sends them, so training goes on even if W&B fails: with one warning. All that W&B did not take
    stays in the run directory, for the next attempt or for `wandb sync`.
    """

    @dataclass
    class Config:
        """`entity`: a W&B team or user; None is the account's own default.

        timeout_seconds: how long a run that has ended waits for W&B. system: W&B watches the machine, too. artifacts:
        the last checkpoint of a finished run becomes an artifact. Runs of older versions have neither in their config.
        """

        mode: Mode
        project: str
        entity: str | None
        timeout_seconds: float
        system: bool = False
        artifacts: bool = False

        def __post_init__(self) -> None:
            allowed = 0 < len(self.project) <= labels.MAX_NAME_LENGTH and not FORBIDDEN & set(self.project)
            require(
                allowed, f"project must be a name of at most 128 characters without / \\ # ? % :, got {self.project}"
            )
            require(self.timeout_seconds > 0, f"timeout_seconds must be > 0, got {self.timeout_seconds}")

    @classmethod
    def check_start(cls, config: Config) -> None:
        """Raises ConfigError if a run that starts on this machine would have no key for W&B."""
        problem = login.problem() if config.mode is Mode.online else None
        if problem is not None:
            raise ConfigError(f"logger=wandb: {problem}; run `wandb login`, or logger=wandb_offline needs no account")

    def __init__(
        self, config: Config, *, directory: Path, run: Mapping[str, Any], config_tree: Mapping[str, Any]
    ) -> None:
        """W&B's run starts below `directory` in the background. `run` is what run.json holds."""
        self._timeout = config.timeout_seconds
        self._order = {
            "directory": str(directory.absolute()),
            "mode": config.mode.value,
            "system": config.system,
            "artifacts": config.artifacts,
            "pid": os.getpid(),
            "init_seconds": START * config.timeout_seconds,
            "finish_seconds": SENDING * config.timeout_seconds,
            "frames_per_step": run.get("frames_per_step"),
            "init": _init(config, directory, run, config_tree),
        }
        self._news = News()
        self._process = Process(self._order, self._news)
        self._begun = False

    def log(self, rows: Sequence[Row]) -> None:
        """W&B gets `rows`, which metrics.csv has by now, values exactly as given; returns at once.

        What W&B has of an earlier attempt, and this one does again, is passed over: it is the same.
        """
        if not self._begun:
            self._begun = True
            self._process.say("rows")

    def finish(self, state: str) -> None:
        """The W&B run is marked finished, killed (interrupted) or failed; what it didn't take is in `wandb/`.

        Returns after `timeout_seconds` at the latest, or at a Ctrl-C.
        """
        end = time.monotonic() + self._timeout
        word = f"finish {EXIT_CODES.get(state, 1)}"
        try:
            with _interruptible():
                self._process.say(word)
                if self._process.done(FIRST_WAIT * self._timeout):
                    return
                self._process.kill()
                self._keep(word, end)
        except KeyboardInterrupt:
            self._news.warn("the end of the run was not awaited")
        finally:
            self._process.kill()

    def _keep(self, word: str, end: float) -> None:
        """What W&B's files do not have yet is an offline run."""
        self._news.warn(f"no answer in {FIRST_WAIT * self._timeout:g} s")
        self._process = Process({**self._order, "mode": Mode.offline.value}, self._news)
        self._process.say(word)
        if self._process.done(end - time.monotonic()):
            LOG.info("W&B: what it did not take is below %s/wandb, `wandb sync` sends it", self._order["directory"])


def _init(config: Wandb.Config, directory: Path, run: Mapping[str, Any], config_tree: Mapping[str, Any]) -> Any:
    """The arguments of `wandb.init`."""
    axes = run["axes"]
    identity = {key: run[key] for key in IDENTITY if key in run}
    return {
        "project": config.project,
        "entity": config.entity,
        "id": labels.run_id(directory, run),
        "name": labels.name(run),
        "group": labels.group(run),
        "job_type": run.get("study"),
        "tags": labels.tags(run),
        "config": {**config_tree, "axes": dict(axes), "run": identity},
    }


@contextmanager
def _interruptible() -> Iterator[None]:
    """A Ctrl-C raises KeyboardInterrupt at once, also where the run only takes note of the first one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
