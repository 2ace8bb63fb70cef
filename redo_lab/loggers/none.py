"""No tracker: the run directory alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redo_lab.protocols import Logger
from redo_lab.types import Row


class NoLogger(Logger):
    """Takes what every logger takes and does nothing."""

    @dataclass
    class Config:
        """Nothing to set."""

    def __init__(
        self,
        config: Config,
        *,
        directory: Path,
        run: Mapping[str, Any],
        config_tree: Mapping[str, Any],
    ) -> None:
        pass

    def log(self, rows: Sequence[Row]) -> None:
        pass

    def finish(self, state: str) -> None:
        pass
