"""Weights & Biases beside the run directory: the numbers of metrics.csv, online or in a file to sync later."""

from __future__ import annotations

import csv
import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any

import wandb

from redo_lab.config import ConfigError
from redo_lab.runs import wandb_files
from redo_lab.types import Logger, Row

Moment = tuple[int, int]
"""env_steps, updates."""

LOG = logging.getLogger("redo_lab")

MAX_NAME_LENGTH = 128
"""W&B refuses longer ids, names and groups."""

MAX_TAG_LENGTH = 64

IDENTITY = ("run_id", "experiment", "env_steps", "identity", "git", "versions")
"""What a table of runs has to know of a run, beside its config."""

EXIT_CODES = {"finished": 0, "interrupted": 255}
"""W&B shows 0 as finished, 255 (its own code for Ctrl-C) as killed and any other as failed."""


class Mode(Enum):
    """online: sent as it comes, needs `wandb login`; offline: kept in the run directory for `wandb sync`."""

    online = "online"
    offline = "offline"


class Wandb(Logger):
    """A W&B run whose history rows are the rows it is given, with env_steps, updates and frames as axes.

    `run` is what run.json holds; its axes name the cell: agent, suite, game, replay_ratio, recycler, scale and seed.
    """

    @dataclass
    class Config:
        """`entity`: a W&B team or user; None is the account's own default."""

        mode: Mode
        project: str
        entity: str | None

    def __init__(
        self,
        config: Config,
        *,
        directory: Path,
        run: Mapping[str, Any],
        config_tree: Mapping[str, Any],
        frame_skip: int,
    ) -> None:
        """Starts the W&B run below `directory`; raises ConfigError when it cannot start."""
        self._frame_skip = frame_skip
        self._broken = False
        axes = run["axes"]
        group = cell(axes)
        try:
            # The mode must hold before init: W&B's own telemetry calls home from a process that it thinks is online.
            wandb.setup(settings(config.mode))
            if config.mode is Mode.online:
                _require_login()
            self._run = wandb.init(
                project=config.project,
                entity=config.entity,
                id=wandb_id(run["run_id"] + _anew(directory)),
                resume="allow",
                name=f"{group}-seed{axes['seed']}",
                group=group,
                job_type=str(axes["recycler"]),
                tags=tags(axes),
                config={**config_tree, "axes": dict(axes), "run": {key: run.get(key) for key in IDENTITY}},
                dir=directory,
                settings=settings(config.mode),
            )
        except wandb.Error as error:
            wandb.teardown()
            reason = str(error).splitlines()[0]
            raise ConfigError(f"W&B could not start: {reason}; logger=wandb_offline needs no account") from error
        for axis in ("env_steps", "updates", "frames"):
            self._run.define_metric(axis, hidden=True)
        self._run.define_metric("*", step_metric="env_steps")
        self._known = known(directory, self._run.starting_step if config.mode is Mode.online else None)
        for row in written(directory):
            self.log([row])
            self._known[row.env_steps, row.updates].update(row.values)

    def log(self, rows: Sequence[Row]) -> None:
        """W&B holds `rows`, one history row each, values exactly as given, NaN and infinities included.

        What W&B has of an earlier attempt, and this one does again, is passed over: it is the same. If W&B's own
        process dies, the run goes on without it.
        """
        try:
            for row in rows:
                self._send(row)
        except Exception as error:
            self._give_up(error)

    def _send(self, row: Row) -> None:
        sent = self._known.get((row.env_steps, row.updates), ())
        values = {name: float(value) for name, value in row.values.items() if name not in sent}
        if values and not self._broken:
            frames = row.env_steps * self._frame_skip
            self._run.log(values | {"env_steps": row.env_steps, "updates": row.updates, "frames": frames})

    def _give_up(self, error: Exception) -> None:
        # Slurm ends W&B's process together with us, and a dashboard is no reason to lose a run.
        self._broken = True
        LOG.warning("W&B gets nothing more until this run is started again (metrics.csv has all): %s", error)

    def finish(self, state: str) -> None:
        """The W&B run is closed, its file whole, and marked finished, killed (interrupted) or failed."""
        if self._broken:
            return
        try:
            self._run.finish(exit_code=EXIT_CODES.get(state, 1))
            # finish() returns before wandb-core has written the file; teardown() waits for it, also where no atexit
            # runs.
            wandb.teardown()
        except Exception as error:
            self._give_up(error)


def known(directory: Path, steps: int | None) -> dict[Moment, set[str]]:
    """The values that W&B has of the run in `directory`, by its own files: a process that died may have lost some.

    steps: how many rows its server has; None: offline, where the files are all there is.
    """
    rows: dict[tuple[str, int], Mapping[str, Any]] = {}
    for path in wandb_files.files(directory / "wandb"):
        own = {row["_step"]: row for row in wandb_files.history(path)}
        if steps is not None and own:
            # An attempt begins where the server's rows ended: later ones of those before it never came there.
            rows = {key: row for key, row in rows.items() if key[1] < min(own)}
        rows |= {(str(path), step): row for step, row in own.items()}
    if steps is not None:
        rows = {key: row for key, row in rows.items() if key[1] < steps}
    found: dict[Moment, set[str]] = defaultdict(set)
    for row in rows.values():
        found[row["env_steps"], row["updates"]].update(row)
    return found


def written(directory: Path) -> Iterator[Row]:
    """What the attempts before have written to metrics.csv."""
    path = directory / "metrics.csv"
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    lines = csv.reader(whole.splitlines()[1:])
    for (env_steps, updates), values in groupby(lines, lambda line: (int(line[0]), int(line[1]))):
        yield Row(env_steps, updates, {name: float(value) for _, _, name, value in values})


def _anew(directory: Path) -> str:
    """Set apart from the W&B runs of what was started before and put aside (force=true)."""
    aside = len(list(directory.parent.glob(f"{directory.name}.old-*")))
    return f"-{aside + 1}" if aside else ""


def settings(mode: Mode) -> wandb.Settings:
    """Nothing but our rows: no console capture, code, git or machine polling; silent offline, the run's URL online.

    Throughput, memory, host and versions are in the run directory already; polling them again costs a process a run.
    """
    return wandb.Settings(
        mode=mode.value,
        silent=mode is Mode.offline,
        quiet=True,
        reinit="create_new",  # never the run of a job that failed before it in the same process (Hydra multirun)
        console="off",
        save_code=False,
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )


def cell(axes: Mapping[str, Any]) -> str:
    """What all seeds of one cell share, and no other cell has: `dqn-atari-breakout-rr1-redo-paper`."""
    return _shortened("-".join(tags(axes)), MAX_NAME_LENGTH - len("-seed0000000000"))


def tags(axes: Mapping[str, Any]) -> list[str]:
    """One word an axis: agent, suite, game, replay ratio, recycler, scale."""
    words = (axes["agent"], axes["suite"], axes["game"], f"rr{axes['replay_ratio']:g}", axes["recycler"], axes["scale"])
    return [_shortened(str(word), MAX_TAG_LENGTH) for word in words]


def wandb_id(run_id: str) -> str:
    """`run_id` in the characters and the length that W&B takes; distinct run ids stay distinct."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", run_id)
    return _shortened(run_id, MAX_NAME_LENGTH) if safe == run_id else _with_digest(safe, run_id, MAX_NAME_LENGTH)


def _shortened(name: str, length: int) -> str:
    return name if len(name) <= length else _with_digest(name, name, length)


def _with_digest(start: str, whole: str, length: int) -> str:
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return f"{start[: length - 1 - len(digest)]}-{digest}"


def _require_login() -> None:
    # wandb.init would ask on the terminal, in the middle of a sweep.
    if not wandb.login(prompt=False, verify=False):
        raise wandb.errors.UsageError("not logged in, run `wandb login`")
