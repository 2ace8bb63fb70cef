"""What run.json says of a run to those who watch many: its names, its length, its axes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from redo_lab.runs.reading import printable, read_object, warn_once

FILE_NAME = "run.json"
OLD_UNIT = "agent steps"
"""The unit of old runs, whose run.json names none."""


class About(NamedTuple):
    """A run. name: short, for people; total: its length in `unit`s; axes: what tells it from others of its sweep.

    experiment: empty where run.json names none.
    """

    run_id: str
    name: str
    total: int
    unit: str
    axes: Mapping[str, Any]
    experiment: str = ""


def read(directory: Path) -> About | None:
    """Of the run in `directory`; None, with a warning that names the file, where it cannot be understood."""
    path = directory / FILE_NAME
    try:
        return of(read_object(path))
    except (ValueError, OSError) as error:
        warn_once(str(error) if str(path) in str(error) else f"{path}: {error}")
        return None


def of(run: Mapping[str, Any]) -> About:
    """What `run` says, older versions too; ValueError names what is missing or of the wrong type."""
    run_id, axes, total = run.get("run_id"), run.get("axes"), run.get("total", run.get("env_steps"))
    for name, value, kind in (("run_id", run_id, str), ("axes", axes, dict), ("total", total, int)):
        if not isinstance(value, kind):
            raise ValueError(f"{name} must be {kind.__name__}, got {value!r:.40}")
    assert isinstance(run_id, str)
    assert isinstance(axes, dict)
    assert isinstance(total, int)
    name, unit = str(run.get("name") or _name_of(axes)), str(run.get("unit", OLD_UNIT))
    return About(_line(run_id), _line(name), total, _line(unit), axes, _line(str(run.get("experiment") or "")))


def initials(key: str) -> str:
    """What stands for a key before its number: seed → s, replay_ratio → rr."""
    return "".join(word[:1] for word in key.split("_"))


def _line(text: str) -> str:
    return " ".join(printable(text).split())


def _name_of(axes: Mapping[str, Any]) -> str:
    """Of a run that has no name of its own: `dqn breakout rr1 redo s0`."""
    return " ".join(
        f"{initials(key)}{value:g}" if isinstance(value, (int, float)) else str(value) for key, value in axes.items()
    )
