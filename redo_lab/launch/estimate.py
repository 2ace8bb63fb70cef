"""What a sweep will cost, from what runs like its own have been measured to do, here or elsewhere."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from redo_lab.launch.rates import Work, seconds_of
from redo_lab.launch.rates import processors as rates_of
from redo_lab.runs import about, status
from redo_lab.runs.table import find_runs

Kind = tuple[object, ...]


class Rest(NamedTuple):
    """What is left of a run: so many `unit`s. same_pace: those of its axes that leave its pace as it is.

    work: the same as rates.json counts it; None: unknown.
    """

    left: int
    unit: str
    axes: Mapping[str, Any]
    same_pace: tuple[str, ...]
    work: Work | None = None


class Measured(NamedTuple):
    """The pace of a run as its status has it."""

    unit: str
    axes: Mapping[str, Any]
    rate_per_s: float
    device: str


@dataclass(frozen=True)
class Cost:
    """Of runs one after another. hours: of the `known` runs, those that some of the `measured` runs are like, and of
    the `estimated` ones, which rates.json has a rate for.

    devices: what the measured runs ran on; unknown: the places in `runs` of those that are neither.
    """

    hours: float
    known: int
    measured: int
    devices: tuple[str, ...]
    unknown: tuple[int, ...]
    estimated: int = 0

    @property
    def priced(self) -> int:
        """How many runs the hours are of."""
        return self.known + self.estimated

    @property
    def source(self) -> str:
        """Where the hours come from."""
        rates = f"the rates of one {rates_of()} core, without probes"
        if not self.known:
            return f"by {rates}: none like these has been measured here"
        runs = "a run like these" if self.measured == 1 else f"{self.measured} runs like these"
        others = f"; for {self.estimated} of them by {rates}" if self.estimated else ""
        return f"by the median rate of {runs} ({' and '.join(self.devices)}){others}"


def cost(runs: Sequence[Rest], roots: Iterable[Path]) -> Cost:
    """What `runs` will take, by the runs below `roots`.

    The rate of a run is the median of all that have made updates, count in the same unit and agree in every axis but
    those that leave the pace as it is, on whatever machine they ran. Without such, rates.json says what its work takes.
    """
    by_kind: dict[Kind, list[Measured]] = defaultdict(list)
    for one, same_pace in product(_measured(roots), {run.same_pace for run in runs}):
        by_kind[_kind(one.unit, one.axes, same_pace)].append(one)
    rates = {kind: statistics.median(one.rate_per_s for one in alike) for kind, alike in by_kind.items()}
    kinds = [_kind(run.unit, run.axes, run.same_pace) for run in runs]
    seconds = [run.left / rates[kind] for run, kind in zip(runs, kinds, strict=True) if kind in rates]
    estimates = {at: _estimate(run) for at, run in enumerate(runs) if kinds[at] not in rates}
    estimated = [one for one in estimates.values() if one is not None]
    used = {id(one): one for kind in kinds for one in by_kind.get(kind, [])}
    devices = tuple(sorted({one.device for one in used.values()}))
    unknown = tuple(at for at, one in estimates.items() if one is None)
    hours = (sum(seconds) + sum(estimated)) / 3600
    return Cost(hours, len(seconds), len(used), devices, unknown, len(estimated))


def _estimate(run: Rest) -> float | None:
    return None if run.work is None else seconds_of(run.work)


def hours_text(hours: float) -> str:
    """Two digits at least: 3.4 h, 5,300 h; minutes or seconds where it is less."""
    if round(60 * hours) < 60:
        return f"{60 * hours:.2g} min" if hours >= 1 / 60 else f"{max(1, round(3600 * hours))} s"
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.2g} h"


def _measured(roots: Iterable[Path]) -> Iterator[Measured]:
    """Before its first update a run is far faster than it will be: it doesn't count."""
    for root in roots:
        try:
            directories = find_runs([root])
        except ValueError:
            continue
        for directory in directories:
            at = status.read(directory)
            if at is None or not at.updates or not at.rate_per_s or at.rate_per_s <= 0:
                continue
            run = about.read(directory)
            if run is not None:
                yield Measured(run.unit, run.axes, at.rate_per_s, at.device or "device unknown")


def _kind(unit: str, axes: Mapping[str, Any], same_pace: tuple[str, ...]) -> Kind:
    kept = [(name, value) for name, value in sorted(axes.items()) if name not in same_pace]
    return (
        unit,
        same_pace,
        *((name, value if isinstance(value, (int, float)) else str(value)) for name, value in kept),
    )
