"""In what two runs differ: settings, code and state, metrics and from where on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from redo_lab.runs.entry import flattened
from redo_lab.runs.reading import regular_bytes
from redo_lab.runs.table import load

FIRST = ("evaluation/", "dormant/total", "training/return")
COLUMNS = ("code", "versions", "state", "done")


@dataclass(frozen=True)
class Difference:
    """Lines, each about one thing that differs; metrics: those that matter most first."""

    settings: list[str]
    code_and_state: list[str]
    metrics: list[str]


def difference(first: Path, second: Path) -> Difference:
    """What differs between the runs in two directories; ValueError for one that can't be understood."""
    tables = [load([directory]) for directory in (first, second)]
    rows = [table.runs.row(0, named=True) for table in tables]
    return Difference(
        differing(_settings(first), _settings(second)),
        differing(*({name: row[name] for name in COLUMNS} for row in rows)),
        _metrics(*(table.values() for table in tables)),
    )


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """`name: value → value` for each name whose values differ."""
    absent = object()
    lines = []
    for name in dict.fromkeys((*one, *other)):
        values = one.get(name, absent), other.get(name, absent)
        if values[0] != values[1]:
            left, right = ("(not there)" if value is absent else str(value) for value in values)
            lines.append(f"{name}: {left} → {right}")
    return lines


def _settings(directory: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    path = directory / "config.yaml"
    try:
        content = OmegaConf.to_container(OmegaConf.create(regular_bytes(path).decode()))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold settings")
    return {**flattened({str(key): value for key, value in content.items()})}


def _metrics(one: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    names = sorted({*one["name"].unique(), *other["name"].unique()})
    names.sort(key=lambda name: not name.startswith(FIRST))
    columns = "env_steps", "updates", "value"
    pairs = ((name, *(each.filter(pl.col("name") == name).select(columns) for each in (one, other))) for name in names)
    return [_metric(name, left, right) for name, left, right in pairs if not left.equals(right)]


def _metric(name: str, left: pl.DataFrame, right: pl.DataFrame) -> str:
    """Where the values of a metric begin to differ."""
    if left.is_empty() or right.is_empty():
        return f"{name}: only in {'the second' if left.is_empty() else 'the first'}"
    rows: Sequence[tuple[Any, Any]] = list(zip(left.iter_rows(), right.iter_rows(), strict=False))
    at = next((number for number, (a, b) in enumerate(rows) if repr(a) != repr(b)), len(rows))
    if at == len(rows):
        return f"{name}: the same for {at} values, then {left.height - at} → {right.height - at} more"
    (steps, updates, before), (*_, after) = rows[at]
    last = f"last {left['value'][-1]:.6g} → {right['value'][-1]:.6g}"
    return f"{name}: from agent step {steps} (update {updates}) on: {before:.6g} → {after:.6g}; {last}"
