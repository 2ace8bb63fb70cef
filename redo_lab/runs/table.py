"""Many run directories as tables: one row per run, or one row per run, step and metric. Never imports torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

RUN_COLUMNS = (
    "directory",
    "run_id",
    "experiment",
    "state",
    "env_steps",
    "planned_env_steps",
    "updates",
    "error",
)
"""What every run has beside its axes. env_steps, updates: reached; planned_env_steps: its full length."""

_METRICS_SCHEMA = {"env_steps": pl.Int64, "updates": pl.Int64, "name": pl.String, "value": pl.Float64}


def find_runs(paths: Iterable[Path | str]) -> list[Path]:
    """The run directories (those that hold a run.json) at or below `paths`, each once, in a fixed order.

    A path may be a run, an experiment or a root; one that does not exist or holds no run raises ValueError.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            raise ValueError(f"{path}: {'not a directory' if path.exists() else 'no such directory'}")
        below = sorted(_run_directories(path))
        if not below:
            raise ValueError(f"{path}: holds no runs (no directory with a run.json)")
        found |= {directory.resolve(): directory for directory in below if directory.resolve() not in found}
    return list(found.values())


def load_runs(paths: Iterable[Path | str]) -> pl.DataFrame:
    """One row per run at or below `paths`: RUN_COLUMNS, then one column per axis (`agent`, `game`, `seed` …).

    An axis that a run does not have is null there.
    """
    records = [_record(directory) for directory in find_runs(paths)]
    names = list(dict.fromkeys(name for _, axes in records for name in axes))
    columns = {name: _column(name, [run[name] for run, _ in records]) for name in RUN_COLUMNS}
    columns |= {name: _column(name, [axes.get(name) for _, axes in records]) for name in names}
    return pl.DataFrame(list(columns.values()))


def axes_of(runs: pl.DataFrame) -> list[str]:
    """The names of the axes among the columns of `runs`, in the order in which the runs record them."""
    return [name for name in runs.columns if name not in RUN_COLUMNS]


def load_metrics(runs: pl.DataFrame, names: Sequence[str] = (), prefixes: Sequence[str] = ()) -> pl.DataFrame:
    """The metrics of `runs` (a table of `load_runs`) named in `names` or starting with one of `prefixes`; all if none.

    Long form: directory, run_id, the axes, env_steps, updates, name, value; in the order of the runs and, within a
    run, of its file. The last line of a run that is being written right now is left out until it is whole.
    """
    frames = [_read_metrics(directory, names, prefixes) for directory in runs["directory"]]
    identity = runs.select("directory", "run_id", *axes_of(runs))
    if not frames:
        return identity.clear().with_columns(pl.lit(None, dtype).alias(name) for name, dtype in _METRICS_SCHEMA.items())
    joined = pl.concat(frames).join(identity, on="directory", how="left", maintain_order="left")
    return joined.select(*identity.columns, *_METRICS_SCHEMA)


def _run_directories(top: Path) -> Iterator[Path]:
    for directory, below, files in os.walk(top):
        if "run.json" in files:
            below.clear()
            yield Path(directory)


def _record(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    run = _read_json(directory / "run.json")
    status_path = directory / "status.json"
    status = _read_json(status_path) if status_path.exists() else {}
    try:
        row = {
            "directory": str(directory),
            "run_id": run["run_id"],
            "experiment": run["experiment"],
            "state": status.get("state", "pending"),
            "env_steps": status.get("env_steps", 0),
            "planned_env_steps": run["env_steps"],
            "updates": status.get("updates", 0),
            "error": status.get("error"),
        }
        return row, dict(run["axes"])
    except KeyError as error:
        raise ValueError(f"{directory / 'run.json'}: has no {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold a JSON object, got {type(content).__name__}")
    return content


def _column(name: str, values: list[Any]) -> pl.Series:
    """Values as integers, else as floats, else as text: an axis may be `1` in one run and `0.5` in another."""
    kinds = {type(value) for value in values if value is not None}
    if name == "error" or not kinds:
        return pl.Series(name, values, dtype=pl.String)
    if len(kinds) == 1 and kinds <= {int, float, str, bool}:
        return pl.Series(name, values)
    if kinds == {int, float}:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    return pl.Series(name, [None if value is None else str(value) for value in values])


def _read_metrics(directory: str, names: Sequence[str], prefixes: Sequence[str]) -> pl.DataFrame:
    path = Path(directory) / "metrics.csv"
    content = path.read_bytes() if path.exists() else b""
    whole_lines = content[: content.rfind(b"\n") + 1]
    if not whole_lines:
        return pl.DataFrame(schema={**_METRICS_SCHEMA, "directory": pl.String})
    try:
        metrics = pl.read_csv(whole_lines, schema=_METRICS_SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: not a metrics file ({str(error).splitlines()[0]})") from error
    if names or prefixes:
        wanted = [pl.col("name").is_in(list(names)), *(pl.col("name").str.starts_with(prefix) for prefix in prefixes)]
        metrics = metrics.filter(pl.any_horizontal(wanted))
    return metrics.with_columns(pl.lit(directory).alias("directory"))
