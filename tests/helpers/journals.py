"""A journal for studies that run without an attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redo_lab.types import Counters


class Noted:
    """A journal that keeps everything."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, str]] = []
        self.latest: dict[str, float] = {}

    def add(self, counters: Counters, values: Mapping[str, Any]) -> None:
        self.entries += [(counters.env_steps, counters.updates, name) for name in values]
        self.latest.update({name: float(value) for name, value in values.items()})

    def give_up(self, reason: str) -> None:
        raise AssertionError(reason)
