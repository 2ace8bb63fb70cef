"""What a sweep will cost, from the measured rates of runs like its own."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from redo_lab.launch.record import SweepRun
from redo_lab.runs import about, status
from redo_lab.runs.table import find_runs

PACELESS_AXES = ("seed", "game", "data", "scale")
"""What the speed of a run hardly depends on: which instance of its task it does, and how much of it."""

Kind = tuple[object, ...]


def hours(runs: Sequence[SweepRun], axes: Sequence[Mapping[str, Any]], roots: Iterable[Path]) -> tuple[float, int]:
    """Hours that `runs` take one after another, and how many of them were left out as none like them was measured.

    The rate is the median of all runs below `roots` that count in the same unit and agree in every axis but those that
    leave the pace as it is, on whatever machine they ran.
    """
    rates = _rates(roots)
    kinds = [_kind(run.unit, a) for run, a in zip(runs, axes, strict=True)]
    known = [(run, rates[kind]) for run, kind in zip(runs, kinds, strict=True) if kind in rates]
    return sum(run.total / rate for run, rate in known) / 3600, len(runs) - len(known)


def _rates(roots: Iterable[Path]) -> dict[Kind, float]:
    measured: dict[Kind, list[float]] = defaultdict(list)
    for root in roots:
        try:
            directories = find_runs([root])
        except ValueError:
            continue
        for directory in directories:
            at, run = status.read(directory), about.read(directory)
            if at is not None and run is not None and at.rate_per_s and at.rate_per_s > 0:
                measured[_kind(run.unit, run.axes)].append(at.rate_per_s)
    return {kind: statistics.median(rates) for kind, rates in measured.items()}


def _kind(unit: str, axes: Mapping[str, Any]) -> Kind:
    kept = [(name, value) for name, value in sorted(axes.items()) if name not in PACELESS_AXES]
    return (unit, *((name, value if isinstance(value, (int, float)) else str(value)) for name, value in kept))
