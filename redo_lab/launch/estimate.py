"""What a sweep will cost, from what runs like its own have been seen to do."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from redo_lab.launch.record import SweepRun
from redo_lab.runs import status
from redo_lab.runs.table import find_runs

PACE_AXES = ("agent", "network", "suite", "replay_ratio", "recycler")
"""What the speed of a run depends on, as far as its axes say."""


def hours(runs: Sequence[SweepRun], axes: Sequence[Mapping[str, Any]], roots: Iterable[Path]) -> tuple[float, int]:
    """Hours that `runs` take one after another, and how many of them were left out as none like them was measured.

    The rate is the median of all runs below `roots` with the same agent, network, suite, replay ratio and recycler, on
    whatever machine they ran.
    """
    rates = _rates(roots)
    known = [(run, rates[_kind(a)]) for run, a in zip(runs, axes, strict=True) if _kind(a) in rates]
    return sum(run.env_steps / rate for run, rate in known) / 3600, len(runs) - len(known)


def _rates(roots: Iterable[Path]) -> dict[tuple[Any, ...], float]:
    found: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for root in roots:
        try:
            directories = find_runs([root])
        except ValueError:
            continue
        for directory in directories:
            seen = status.read(directory)
            if seen is not None and seen.rate_env_steps_per_s:
                axes = json.loads((directory / "run.json").read_text())["axes"]
                found[_kind(axes)].append(seen.rate_env_steps_per_s)
    return {kind: statistics.median(rates) for kind, rates in found.items()}


def _kind(axes: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(axes.get(name) for name in PACE_AXES)
