"""Weights & Biases beside the run directory: the numbers of metrics.csv, online or in a file to sync later."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import wandb

from redo_lab.config import ConfigError
from redo_lab.runs.atomic import write_json
from redo_lab.types import Row

MAX_NAME_LENGTH = 128
"""W&B refuses longer ids, names and groups."""

MAX_TAG_LENGTH = 64

EXIT_CODES = {"finished": 0, "interrupted": 255}
"""W&B shows 0 as finished, 255 (its own code for Ctrl-C) as killed and any other as failed."""


class Mode(Enum):
    """online: sent as it comes, needs `wandb login`; offline: kept in the run directory for `wandb sync`."""

    online = "online"
    offline = "offline"


class Wandb:
    """A W&B run whose history rows are the rows it is given, with env_steps, updates and frames as axes.

    `axes` names the cell of the run: agent, suite, game, replay_ratio, recycler, scale and seed.
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
        run_id: str,
        axes: Mapping[str, Any],
        config_tree: Mapping[str, Any],
        frame_skip: int,
    ) -> None:
        """Starts the W&B run below `directory`; raises ConfigError when it cannot start."""
        self._frame_skip = frame_skip
        self._sent = Sent(directory / "wandb_sent.json")
        group = cell(axes)
        try:
            # The mode must hold before init: W&B's own telemetry calls home from a process that it thinks is online.
            wandb.setup(settings(config.mode))
            if config.mode is Mode.online:
                _require_login()
            self._run = wandb.init(
                project=config.project,
                entity=config.entity,
                id=wandb_id(run_id + _anew(directory)),
                resume="allow",
                name=f"{group}-seed{axes['seed']}",
                group=group,
                job_type=str(axes["recycler"]),
                tags=tags(axes),
                config={**config_tree, "axes": dict(axes)},
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

    def log(self, rows: Sequence[Row]) -> None:
        """W&B holds `rows`, one history row each, values exactly as given, NaN and infinities included.

        What an earlier attempt sent before it died, and this one does again, is passed over: it is the same.
        """
        for row in rows:
            values = self._sent.news(row)
            if not values:
                continue
            frames = row.env_steps * self._frame_skip
            self._run.log(values | {"env_steps": row.env_steps, "updates": row.updates, "frames": frames})
        self._sent.write()

    def finish(self, state: str) -> None:
        """The W&B run is closed, its file whole, and marked finished, killed (interrupted) or failed."""
        self._run.finish(exit_code=EXIT_CODES.get(state, 1))
        # finish() returns before wandb-core has written the file; teardown() waits for it, also where no atexit runs.
        wandb.teardown()


class Sent:
    """How far W&B knows a run, kept in a file across attempts: the last moment, and the names sent of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found: dict[str, Any] = {"moment": [-1, -1], "names": []}
        if path.exists():
            found = json.loads(path.read_text())
        self._moment: tuple[int, int] = tuple(found["moment"])
        self._names: set[str] = set(found["names"])

    def news(self, row: Row) -> dict[str, float]:
        """The values of `row` not sent before; from now on they are."""
        moment = (row.env_steps, row.updates)
        if moment < self._moment:
            return {}
        if moment > self._moment:
            self._moment, self._names = moment, set()
        values = {name: float(value) for name, value in row.values.items() if name not in self._names}
        self._names.update(values)
        return values

    def write(self) -> None:
        """The file says what has been sent so far."""
        write_json(self._path, {"moment": self._moment, "names": sorted(self._names)})


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
