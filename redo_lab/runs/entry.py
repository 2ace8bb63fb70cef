"""One run as it enters the table of many: read from its files, whatever version wrote them, damaged ones included."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redo_lab.runs.cache import SCHEMA
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.runs.reading import printable, read_object, regular_bytes
from redo_lab.runs.status import FILE_NAME, State

LOG = logging.getLogger("redo_lab")
RUN_COLUMNS = (
    "directory",
    "run_id",
    "experiment",
    "study",
    "state",
    "done",
    "planned",
    "unit",
    "clock",
    "scored_by",
    "score_word",
    "higher_is_better",
    "updates",
    "error",
    "commit",
    "dirty",
    "code",
    "versions",
)
"""What every run has beside its axes.

state: of its life, `unknown` where status.json is damaged; done, planned: how far it is and its full length, in `unit`;
clock: the column of its metrics that counts in `unit`, null if none does; scored_by: the metric that runs are compared
by; score_word: what its values are called; higher_is_better: whether the higher of two is the better one; updates:
reached; commit, dirty: of the code it began with, null where unknown; code: of all its attempts, in words; versions: of
redo_lab and torch.
"""
RESERVED = (*RUN_COLUMNS, *SCHEMA, "method")
"""Columns that no axis or setting can take."""
UNKNOWN, UNCOMMITTED = "unknown", " with uncommitted changes"
CONTINUED = ", then "
"""Between the codes of successive attempts."""
OLD_UNIT, OLD_STUDY, OLD_CLOCK, OLD_SCORE = "agent steps", "online", "env_steps", EVALUATION_RETURN
"""Those of old runs, whose run.json names none."""
OLD_SCORE_WORD = "return"
MEASURING = "probes"
"""What is measured doesn't change a run."""
MOST_BITS = 63
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class RunRecord:
    """One run: row: RUN_COLUMNS; axes; settings: its whole config as `flattened` gives it."""

    row: Mapping[str, Any]
    axes: Mapping[str, Scalar]
    settings: Mapping[str, Scalar]


def read_run(directory: Path) -> RunRecord | None:
    """The run in `directory`; None, with a warning that names the file, if its run.json can't be understood."""
    path = directory / "run.json"
    try:
        str(directory).encode()
        return _record(directory, read_object(path))
    except (ValueError, OSError, RecursionError) as error:
        message = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
        LOG.warning("%s (this run is passed over)", printable(message))
        return None


def code_text(commit: str | None, dirty: bool | None) -> str:
    """`0a1b2c3d4e with uncommitted changes`."""
    return (commit or UNKNOWN)[:10] + (UNCOMMITTED if dirty else "")


def score_word(metric: str) -> str:
    """What the values of `metric` are called where a run's record, an older one, doesn't say: train accuracy."""
    return OLD_SCORE_WORD if metric == OLD_SCORE else metric.rpartition("/")[2].replace("_", " ")


def versions_text(versions: Mapping[str, Any]) -> str | None:
    """What results depend on most: `redo_lab 0.1.0, torch 2.13.0+cpu`."""
    parts = [f"{name} {versions[name]}" for name in ("redo_lab", "torch") if name in versions]
    return printable(", ".join(parts)) or None


def clock_of(clocks: Mapping[str, Any] | None, unit: str) -> str | None:
    """The column of the metrics that counts in `unit`: env_steps or updates; None if neither does."""
    units = clocks or {OLD_CLOCK: OLD_UNIT}
    return next((name for name in ("env_steps", "updates") if units.get(name) == unit), None)


def scalar(value: Any) -> Scalar:
    """`value` as a cell of a table can hold it: text that a terminal can show, JSON of what is nested or too large."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= MOST_BITS else str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() else _line(text)


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """{"a": {"b": 1}} → {"a.b": 1}; a list becomes its JSON text."""
    flat: dict[str, Scalar] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[str(scalar(f"{prefix}{key}"))] = scalar(value)
    return flat


def _record(directory: Path, run: Mapping[str, Any]) -> RunRecord:
    axes, settings = _object(run, "axes"), _object(run, "settings", {})
    unit = _text(run, "unit", OLD_UNIT)
    git = _object(run, "git", {})
    commit, dirty = git.get("commit"), git.get("dirty")
    row = {
        "directory": str(directory),
        "run_id": _text(run, "run_id"),
        "experiment": _text(run, "experiment"),
        "study": _text(run, "study", OLD_STUDY),
        "planned": _count(run, "total" if "total" in run else "env_steps"),
        "unit": unit,
        "clock": clock_of(_object(run, "clocks", {}), unit),
        **_score(run),
        "commit": None if commit is None else printable(str(commit)),
        "dirty": dirty if isinstance(dirty, bool) else None,
        "versions": versions_text(_object(run, "versions", {})),
        **_progress(directory / FILE_NAME),
    }
    row["code"] = CONTINUED.join(dict.fromkeys([code_text(row["commit"], row["dirty"]), *_attempts(directory)]))
    named = {printable(name): scalar(value) for name, value in axes.items() if name not in RESERVED}
    return RunRecord(row, named, flattened({name: value for name, value in settings.items() if name != MEASURING}))


def _score(run: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that say what runs are compared by."""
    metric = _text(run, "scored_by", OLD_SCORE)
    return {
        "scored_by": metric,
        "score_word": _text(run, "score_word", score_word(metric)),
        "higher_is_better": run.get("higher_is_better") is not False,
    }


def _progress(path: Path) -> dict[str, Any]:
    """The columns that status.json gives."""
    try:
        status = read_object(path)
        state, error = _text(status, "state"), status.get("error")
        if state not in list(State):
            raise ValueError(f"no state '{state}'")
        done = _count(status, "done" if "done" in status else "env_steps")
        row = {"state": state, "done": done, "updates": _count(status, "updates")}
        return {**row, "error": None if error is None else printable(str(error))}
    except FileNotFoundError:
        return {"state": State.PENDING.value, "done": 0, "updates": 0, "error": None}
    except (ValueError, OSError) as error:
        message = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
        LOG.warning("%s", printable(message))
        return {"state": UNKNOWN, "done": 0, "updates": 0, "error": f"{path.name} can't be understood"}


def _attempts(directory: Path) -> Iterator[str]:
    """The code of each attempt in attempts.jsonl; a line that can't be understood is passed over."""
    path = directory / "attempts.jsonl"
    try:
        lines = regular_bytes(path).decode().splitlines()
    except FileNotFoundError:
        return
    except (ValueError, OSError) as error:
        LOG.warning("%s", printable(f"{path}: {error}"))
        return
    for line in lines:
        try:
            attempt = json.loads(line)
            git = attempt.get("git") or attempt
            commit, dirty = git.get("commit"), git.get("dirty")
        except (ValueError, AttributeError, RecursionError):
            continue
        if commit is not None:
            yield code_text(printable(str(commit)), dirty is True)


def _object(values: Mapping[str, Any], name: str, default: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    value = values.get(name) or default if default is not None else values.get(name)
    if not isinstance(value, Mapping):
        raise ValueError(f"'{name}' must be an object, got {value!r:.40}")
    return value


def _text(values: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = values.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"'{name}' must be text, got {value!r:.40}")
    return _line(value)


def _line(text: str) -> str:
    return " ".join(printable(text).splitlines())


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**MOST_BITS:
        raise ValueError(f"'{name}' must be a whole number ≥ 0, got {value!r:.40}")
    return value
