"""How long runs take of which none is measured here: by rates of one core, measured once for each kind of run.

`python -m scripts.paper_rates` measures them: training alone, without probes and interventions.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).with_name("rates.json")
START_SECONDS = 5.0
"""Of a run before its first step and after its last: imports, the environment, a checkpoint."""
PARTS = ("agent", "network", "suite", "data")
"""The axes that a kind is made of, after the study."""


class Work(NamedTuple):
    """What is left of a run. steps: in the environment, those of evaluations, too, or 0; updates: gradient steps."""

    kind: str
    steps: float
    updates: float


def kind_of(study: str, axes: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    """Study, agent, network, width and suite or data: `online dqn nature ×2 atari`."""
    width = plain.get("network", {}).get("width", 1)
    words = {part: str(axes.get(part, "")) for part in PARTS}
    words["network"] += "" if width == 1 else f" ×{width:g}"
    return " ".join([study, *filter(None, words.values())])


def seconds_of(work: Work) -> float | None:
    """Of one core; None where its kind has not been measured."""
    rate = _rates().get(work.kind)
    if rate is None:
        return None
    return START_SECONDS + float(work.steps * rate["seconds_per_step"] + work.updates * rate["seconds_per_update"])


def processors() -> str:
    """What they were measured on."""
    return " and ".join(sorted({rate["processor"] for rate in _rates().values()}))


@functools.cache
def _rates() -> dict[str, dict[str, Any]]:
    rates: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return rates
