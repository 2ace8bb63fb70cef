"""The GPUs of this machine, without loading torch."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from redo_lab.config import ConfigError
from redo_lab.runs.atomic import write_json

ASKED = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
NAMES = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
CALL_SECONDS = 20
ALMOST_BEST = 0.95
"""Fewer runs are recommended where they reach this share of the highest speed: each takes memory."""


def visible() -> list[str]:
    """The names in CUDA_VISIBLE_DEVICES, where that is set, else an index for each GPU; empty if there are none."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name.strip() for name in listed.split(",") if name.strip() not in ("", "-1")]
    return _lines(ASKED)


def names() -> list[str]:
    """What the kinds of GPU in this machine are called, each once, CUDA_VISIBLE_DEVICES or not."""
    return list(dict.fromkeys(_lines(NAMES)))


def _lines(command: Sequence[str]) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def table_path() -> Path:
    """Where `make bench-gpu` leaves how many runs a GPU carries: in the user's cache, as it is about this machine."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "redo_lab" / "runs_per_gpu.json"


def recommended(rates: Mapping[int, float]) -> int:
    """Of `rates` (runs side by side → their updates a second together) the fewest runs that are almost the fastest."""
    enough = ALMOST_BEST * max(rates.values())
    return min(runs for runs, rate in rates.items() if rate >= enough)


def record(name: str, workload: str, runs: int, path: Path | None = None) -> None:
    """The table says that a GPU called `name` carries `runs` runs of `workload`."""
    path = path or table_path()
    table = measured(path)
    table.setdefault(name, {})[workload] = runs
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, table)


def measured(path: Path | None = None) -> dict[str, dict[str, int]]:
    """GPU → workload → runs side by side; empty where nothing was measured. ConfigError if the file isn't a table."""
    path = path or table_path()
    if not path.exists():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        table = None
    if not isinstance(table, dict) or not all(_is_row(row) for row in table.values()):
        raise ConfigError(f"{path} isn't a table of runs per GPU: remove it, make bench-gpu writes it anew")
    return table


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and all(type(runs) is int and runs >= 1 for runs in row.values())


def runs_per_gpu(workloads: Iterable[str], kinds: Sequence[str], table: Mapping[str, Mapping[str, int]]) -> int | None:
    """How many runs of these workloads any of the GPUs carries; None where `table` doesn't say it of one of them.

    A workload that was not measured counts as the one of which a GPU carries the fewest.
    """
    if not kinds or any(kind not in table or not table[kind] for kind in kinds):
        return None
    rows = [table[kind] for kind in kinds]
    return min(row.get(workload, min(row.values())) for row in rows for workload in workloads)
