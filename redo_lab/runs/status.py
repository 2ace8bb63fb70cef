"""status.json: how far a run is, written by the run and read by everything that watches it."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from redo_lab.runs.atomic import patiently, write_json
from redo_lab.runs.reading import printable, read_object, warn_once

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
    """A run at one moment; None: unknown.

    done, total: how far it is and its length, in `unit`s; phase: what it does, "training" or another word; headline: a
    few numbers worth a column, by name; rate_per_s: units a second, evaluations and other pauses counted in; stepped:
    Unix time of its last step; heartbeat: of this writing; attempt: 1 at the first start; device: cpu or cuda.
    """

    state: State
    done: int
    total: int
    unit: str
    phase: str | None
    rate_per_s: float | None
    headline: dict[str, float]
    updates: int
    heartbeat: float
    stepped: float | None
    attempt: int
    error: str | None
    host: str
    pid: int | None
    device: str | None = None


def blank(total: int, unit: str) -> Status:
    """Of a run that no process has worked on."""
    return Status(
        state=State.PENDING,
        done=0,
        total=total,
        unit=unit,
        phase=None,
        rate_per_s=None,
        headline={},
        updates=0,
        heartbeat=time.time(),
        stepped=None,
        attempt=0,
        error=None,
        host=socket.gethostname(),
        pid=None,
    )


def write(directory: Path, status: Status, guard: Callable[[], None] | None = None) -> None:
    """`directory` holds `status`, unless `guard` raises; a reader sees the one before or this one, never half."""
    patiently(lambda: write_json(directory / FILE_NAME, asdict(status), guard))


def read(directory: Path) -> Status | None:
    """The status in `directory`; None where there is none, and with a warning where it cannot be understood."""
    path = directory / FILE_NAME
    try:
        return of(read_object(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        warn_once(str(error) if str(error).startswith(str(path)) else f"{path} is not a status of a run: {error}")
        return None


def of(values: Mapping[str, Any]) -> Status:
    """The status that `values` describe, those of older versions too; what they have besides is left out.

    ValueError names what is missing or of the wrong type.
    """
    content = {**_of_older(values), **values}
    fields = {name: check(name, content.get(name)) for name, check in FIELDS.items()}
    return Status(**fields)


def _of_older(values: Mapping[str, Any]) -> dict[str, Any]:
    """What versions that knew online RL alone wrote under other names."""
    if "env_steps" not in values:
        return {}
    headline = {"return": values.get("last_return"), "dormant %": values.get("dormant_percent")}
    return {
        "done": values["env_steps"],
        "total": values.get("total_env_steps"),
        "unit": "agent steps",
        "rate_per_s": values.get("rate_env_steps_per_s"),
        "headline": {name: value for name, value in headline.items() if value is not None},
    }


def _state(name: str, value: Any) -> State:
    if value not in list(State):
        raise ValueError(f"{name} must be one of {', '.join(State)}, got {value!r:.40}")
    return State(value)


def _count(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"{name} must be a whole number ≥ 0, got {value!r:.40}")
    return value


def _number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number, got {value!r:.40}")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {value!r:.40}")
    return printable(value)


def _headline(name: str, value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must hold numbers by name, got {value!r:.40}")
    return {printable(str(key)): _number(f"{name}.{key}", number) for key, number in value.items()}


def _or_none(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else check(name, value)


FIELDS: Mapping[str, Callable[[str, Any], Any]] = {
    "state": _state,
    "done": _count,
    "total": _count,
    "unit": _text,
    "phase": _or_none(_text),
    "rate_per_s": _or_none(_number),
    "headline": _headline,
    "updates": _count,
    "heartbeat": _number,
    "stepped": _or_none(_number),
    "attempt": _count,
    "error": _or_none(_text),
    "host": _text,
    "pid": _or_none(_count),
    "device": _or_none(_text),
}


def headline_text(headline: Mapping[str, float]) -> list[str]:
    """A few letters for each number: `return 12.5`, `dormant 7.2 %`."""
    return [
        f"{name.removesuffix(' %')} {number_text(name, value)}" + (" %" * name.endswith(" %"))
        for name, value in headline.items()
    ]


def number_text(name: str, value: float | None) -> str:
    """`value` in a column of that `name`, which ends with % where it is one: 7.2, 12.5, 1,234,567; –: unknown."""
    if value is None:
        return "–"
    if name.endswith("%"):
        return f"{value:.1f}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def count_text(number: int) -> str:
    """9999, 10k, 2.5M."""
    if number < 10_000:
        return str(number)
    thousands = round(number / 1000)
    return f"{thousands}k" if thousands < 1000 else f"{number / 1e6:.3g}M"


def rate_text(rate: float | None) -> str:
    """Two digits at least: 0.25, 3.4, 120."""
    return "–" if rate is None else f"{rate:.2g}" if rate < 10 else f"{rate:.0f}"


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
