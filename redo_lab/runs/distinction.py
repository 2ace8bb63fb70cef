"""What tells some runs apart, and the words for it: "redo", "lr 0.001", "width 2"."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

SHORT = {
    "replay_ratio": "RR",
    "network.width": "width",
    "agent.learning_rate": "lr",
    "agent.learning_rate_scale": "lr ×",
}
ABSENT = object()
"""In the place of a value that a run doesn't have."""


def words(key: str, value: Any) -> str:
    """A word stands for itself, a number carries the last word of its key: recyclers.redo.threshold → threshold 0.1."""
    if isinstance(value, str):
        return value
    text = "unset" if value is None else f"{value:g}" if isinstance(value, float) else str(value).lower()
    return f"{SHORT.get(key, key.rpartition('.')[2].replace('_', ' '))} {text}"


def telling(rows: Sequence[Mapping[str, Any]], keys: Sequence[str], cells: Sequence[Hashable]) -> list[str]:
    """Few of `keys`, in their order, whose values tell apart the rows of one cell; as far as any of `keys` do.

    cells: of each row what it is known by so far; rows of different cells are apart already.
    """
    chosen: list[str] = []
    known = list(cells)
    while len(set(known)) < len(rows):
        each = {key: len(set(_with(known, rows, key))) for key in keys if key not in chosen}
        best = max(each, key=lambda key: each[key], default=None)
        if best is None or each[best] == len(set(known)):
            break
        chosen.append(best)
        known = _with(known, rows, best)
    return [key for key in keys if key in chosen]


def _with(known: Sequence[Hashable], rows: Sequence[Mapping[str, Any]], key: str) -> list[Hashable]:
    return [(cell, row.get(key, ABSENT)) for cell, row in zip(known, rows, strict=True)]
