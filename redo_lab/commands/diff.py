"""`redo-lab diff RUN RUN`: in what two runs differ: settings, code, metrics and from where on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redo_lab.analysis.selection import ROOT

if TYPE_CHECKING:
    import polars as pl

FEW = 12
FIRST = ("evaluation/", "dormant/total", "training/return")


def main(argv: Sequence[str]) -> int:
    """As diff(1): 0 the same settings and metrics, 1 not the same, 2 a mistake in what was asked."""
    made = argparse.ArgumentParser(
        "redo-lab diff", description="In what two runs differ; 0 if in nothing, 1 if they do."
    )
    made.add_argument("first", metavar="RUN", help="its directory, or a part of its id that no other run has")
    made.add_argument("second", metavar="RUN")
    made.add_argument("--root", type=Path, default=ROOT, help="where to look for them (default: runs)")
    made.add_argument("--all", action="store_true", help="every metric that differs, not only the first")
    arguments = made.parse_args(argv)
    try:
        return _diff(arguments)
    except (ValueError, OSError) as error:
        print(f"redo-lab diff: {error}", file=sys.stderr)
        return 2


def _diff(arguments: argparse.Namespace) -> int:
    from redo_lab.runs.table import load

    first, second = (_run(named, arguments.root) for named in (arguments.first, arguments.second))
    print(f"< {first}\n> {second}")
    settings = _differences(_settings(first), _settings(second))
    _tell("settings", settings)
    tables = [load([directory]) for directory in (first, second)]
    rows = [table.runs.row(0, named=True) for table in tables]
    kept = ("commit", "dirty", "versions", "state", "env_steps")
    _tell("code and state", _differences(*({name: row[name] for name in kept} for row in rows)))
    metrics = _metrics(*(table.metrics() for table in tables))
    told = metrics if arguments.all else metrics[:FEW]
    print(f"metrics: {f'{len(metrics)} differ' if metrics else 'identical'}")
    for line in told:
        print(f"  {line}")
    if len(told) < len(metrics):
        print(f"  … and {len(metrics) - len(told)} more (--all)")
    return 1 if settings or metrics else 0


def _run(named: str, root: Path) -> Path:
    from redo_lab.runs.table import find_runs

    if (Path(named) / "run.json").exists():
        return Path(named)
    found = [path for path in find_runs([root]) if named in path.name]
    if len(found) != 1:
        told = "no run" if not found else f"{len(found)} runs: {', '.join(path.name for path in found[:3])} …"
        raise ValueError(f"{named}: {told} below {root}")
    return found[0]


def _settings(directory: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    from redo_lab.runs.table import flattened

    content = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"))
    if not isinstance(content, dict):
        raise ValueError(f"{directory / 'config.yaml'}: must hold settings")
    return flattened({str(key): value for key, value in content.items()})


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    absent = object()
    lines = []
    for name in dict.fromkeys((*one, *other)):
        values = one.get(name, absent), other.get(name, absent)
        if values[0] != values[1]:
            left, right = ("(not there)" if value is absent else str(value) for value in values)
            lines.append(f"{name}: {left} → {right}")
    return lines


def _tell(what: str, lines: Sequence[str]) -> None:
    print(f"{what}: {'the same' if not lines else ''}".rstrip())
    for line in lines:
        print(f"  {line}")


def _metrics(one: pl.DataFrame, other: pl.DataFrame) -> list[str]:
    """A line for each metric that differs, those that matter most first."""
    import polars as pl

    names = sorted({*one["name"].unique(), *other["name"].unique()})
    names.sort(key=lambda name: not name.startswith(FIRST))
    lines = []
    for name in names:
        left, right = (
            frame.filter(pl.col("name") == name).select("env_steps", "updates", "value") for frame in (one, other)
        )
        if left.equals(right):
            continue
        if left.is_empty() or right.is_empty():
            lines.append(f"{name}: only in {'the second' if left.is_empty() else 'the first'}")
            continue
        rows = list(zip(left.iter_rows(), right.iter_rows(), strict=False))
        at = next((number for number, (a, b) in enumerate(rows) if repr(a) != repr(b)), len(rows))
        if at == len(rows):
            lines.append(f"{name}: the same for {at} values, then {left.height - at} → {right.height - at} more")
            continue
        (steps, updates, before), (*_, after) = rows[at]
        last = f"last {left['value'][-1]:.6g} → {right['value'][-1]:.6g}"
        lines.append(f"{name}: from agent step {steps} (update {updates}) on: {before:.6g} → {after:.6g}; {last}")
    return lines
