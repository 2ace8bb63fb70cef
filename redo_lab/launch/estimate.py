"""What a sweep will cost, from the measured rates of runs like its own."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redo_lab.launch.record import SweepRun
from redo_lab.runs import about, status
from redo_lab.runs.table import find_runs

Kind = tuple[object, ...]


class Axes(NamedTuple):
    """A run's axes by name, and those of them that leave its pace as it is."""

    values: Mapping[str, Any]
    same_pace: tuple[str, ...]


def hours(runs: Sequence[SweepRun], axes: Sequence[Axes], roots: Iterable[Path]) -> tuple[float, int]:
    """Hours that `runs` take one after another, and how many of them were left out as none like them was measured.

    The rate is the median of all runs below `roots` that count in the same unit and agree in every axis but those that
    leave the pace as it is, on whatever machine they ran.
    """
    measured = list(_measured(roots))
    rates = {same_pace: _rates(measured, same_pace) for same_pace in {each.same_pace for each in axes}}
    rate_of_each = [rates[each.same_pace].get(_kind(run.unit, *each)) for run, each in zip(runs, axes, strict=True)]
    known = [(run, rate) for run, rate in zip(runs, rate_of_each, strict=True) if rate is not None]
    return sum(run.total / rate for run, rate in known) / 3600, len(runs) - len(known)


def _measured(roots: Iterable[Path]) -> Iterator[tuple[str, Mapping[str, Any], float]]:
    """Unit, axes and rate of each run below `roots` that has one."""
    for root in roots:
        try:
            directories = find_runs([root])
        except ValueError:
            continue
        for directory in directories:
            at, run = status.read(directory), about.read(directory)
            if at is not None and run is not None and at.rate_per_s and at.rate_per_s > 0:
                yield run.unit, run.axes, at.rate_per_s


def _rates(measured: Iterable[tuple[str, Mapping[str, Any], float]], same_pace: tuple[str, ...]) -> dict[Kind, float]:
    rates: dict[Kind, list[float]] = defaultdict(list)
    for unit, axes, rate in measured:
        rates[_kind(unit, axes, same_pace)].append(rate)
    return {kind: statistics.median(of_kind) for kind, of_kind in rates.items()}


def _kind(unit: str, axes: Mapping[str, Any], same_pace: tuple[str, ...]) -> Kind:
    kept = [(name, value) for name, value in sorted(axes.items()) if name not in same_pace]
    return (unit, *((name, value if isinstance(value, (int, float)) else str(value)) for name, value in kept))
