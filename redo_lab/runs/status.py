"""status.json: how far a run is, written by the run and read by everything that watches it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from redo_lab.runs.atomic import patiently, write_json

FILE_NAME = "status.json"


class State(StrEnum):
    """Where a run is in its life."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    PREEMPTED = "preempted"
    INTERRUPTED = "interrupted"


@dataclass
class Status:
    """A run at one moment; None: not known.

    heartbeat: Unix time of this writing; attempt: 1 at the first start; device: cpu or cuda.
    """

    state: State
    env_steps: int
    total_env_steps: int
    updates: int
    episodes: int
    rate_env_steps_per_s: float | None
    heartbeat: float
    attempt: int
    error: str | None
    last_return: float | None
    dormant_percent: float | None
    host: str
    pid: int | None
    device: str | None = None


def write(directory: Path, status: Status, guard: Callable[[], None] | None = None) -> None:
    """`directory` holds `status`, unless `guard` raises; a reader sees the one before or this one, never half."""
    patiently(lambda: write_json(directory / FILE_NAME, asdict(status), guard))


def read(directory: Path) -> Status | None:
    """The status in `directory`, None when there is none; ValueError names a file that cannot be understood."""
    path = directory / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        values = json.loads(text)
        return Status(**{**values, "state": State(values["state"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a status of a run: {error}") from error


def duration(seconds: float) -> str:
    """3d04h, 3h02m, 2m05s or 8s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
