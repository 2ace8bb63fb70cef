"""What W&B has of a run already, and what metrics.csv holds besides."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from redo_lab.runs import wandb_files

Moment = tuple[int, int]
"""env_steps, updates."""


class Measured(NamedTuple):
    """The values of one moment, as metrics.csv has them."""

    moment: Moment
    values: dict[str, float]


class Metrics:
    """metrics.csv as it grows. It stays the file that it was when opened, also when another attempt replaces it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.rewind()

    def rewind(self) -> None:
        """`news` begins with the first value again."""
        self._file.seek(0)
        self._file.readline()

    def news(self) -> Iterator[Measured]:
        """What was appended since the last call, up to the last whole line."""
        at = self._file.tell()
        text = self._file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._file.seek(at + len(whole))
        lines = csv.reader(whole.decode().splitlines())
        for moment, values in groupby(lines, lambda line: (int(line[0]), int(line[1]))):
            yield Measured(moment, {name: float(value) for _, _, name, value in values})


def earlier_names(directory: Path, steps: int | None) -> dict[Moment, set[str]]:
    """The names of the values that W&B has of each moment of the run in `directory`, by its own files.

    Not by metrics.csv: a process that died may not have sent all of it.
    steps: how many rows its server has; None: offline, where the files are all there is.
    """
    rows: dict[tuple[str, int], Mapping[str, Any]] = {}
    for path in wandb_files.files(directory / "wandb"):
        first = 0 if steps is None else _first_step(path)
        if first is None:
            continue
        own = {first + row["_step"]: row for row in wandb_files.history(path)}
        if steps is not None and own:
            # An attempt begins where the server's rows ended: later ones of those before it never came there.
            rows = {key: row for key, row in rows.items() if key[1] < min(own)}
        rows |= {(str(path), step): row for step, row in own.items()}
    if steps is not None:
        rows = {key: row for key, row in rows.items() if key[1] < steps}
    names: dict[Moment, set[str]] = defaultdict(set)
    for row in rows.values():
        names[row["env_steps"], row["updates"]].update(row)
    return names


def supersede(directory: Path) -> None:
    """The offline files that were never synced are renamed: the server gets their rows now, `wandb sync` none twice."""
    for path in wandb_files.files(directory / "wandb"):
        if _first_step(path) is None:
            path.rename(path.with_name(f"{path.name}.superseded"))


def _first_step(path: Path) -> int | None:
    """The server's step of the file's first: `wandb sync` puts an offline run behind what is there. None: not sent."""
    if not path.parent.name.startswith("offline-"):
        return 0
    synced = path.with_name(f"{path.name}.syncstate")
    return int(json.loads(synced.read_text())["starting_step"]) if synced.exists() else None
