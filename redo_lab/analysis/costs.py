"""What runs cost, from their throughput.csv."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import polars as pl

from redo_lab.runs.reading import printable, read_object, regular_bytes

SCHEMA = {
    "directory": pl.String,
    "hours": pl.Float64,
    "updates_per_s": pl.Float64,
    "peak_memory_mb": pl.Float64,
    "device": pl.String,
}


def costs(directories: Sequence[str]) -> pl.DataFrame:
    """A row per run directory, SCHEMA's columns: wall-clock hours, gradient steps a second over all of it, peak memory.

    Null where a run has left no throughput.csv (or is not on this machine). Work that was lost between a checkpoint
    and a kill is not counted.
    """
    return pl.DataFrame([_cost(Path(directory)) for directory in directories], schema=SCHEMA, orient="row")


def per_method(runs: pl.DataFrame, per_run: pl.DataFrame) -> pl.DataFrame:
    """method, runs, gradient steps, hours and GPU-hours of all its runs, updates/s (median), peak memory (GB, largest).

    A run on a GPU counts its hours whole, also where it shared the GPU.
    """
    joined = runs.select("directory", "method", "updates").join(per_run, on="directory", how="left")
    on_gpu = pl.col("device").str.starts_with("cuda")
    return joined.group_by("method", maintain_order=True).agg(
        pl.len().alias("runs"),
        pl.col("updates").sum().alias("gradient_steps"),
        pl.col("hours").sum().alias("hours"),
        pl.col("hours").filter(on_gpu).sum().alias("gpu_hours"),
        pl.col("updates_per_s").median().alias("updates_per_s"),
        (pl.col("peak_memory_mb").max() / 1000).alias("peak_memory_gb"),
    )


def _cost(directory: Path) -> dict[str, str | float | None]:
    row: dict[str, str | float | None] = dict.fromkeys(SCHEMA) | {"directory": str(directory)}
    try:
        lines = regular_bytes(directory / "throughput.csv").decode().splitlines()
        names, rows = lines[0].split(","), [line.split(",") for line in lines[1:] if line]
        values = [{name: float(value) for name, value in zip(names, line, strict=True)} for line in rows]
        updates = values[-1]["updates"]
        # Every attempt counts its own seconds from 0.
        ends = [a["wall_seconds"] for a, b in pairwise(values) if b["wall_seconds"] < a["wall_seconds"]]
        seconds = sum(ends) + values[-1]["wall_seconds"]
        row |= {"hours": seconds / 3600, "updates_per_s": updates / seconds if seconds else None}
        row["peak_memory_mb"] = max(value["peak_memory_mb"] for value in values)
        device = read_object(directory / "status.json").get("device")
        row["device"] = printable(device) if isinstance(device, str) else None
    except (OSError, ValueError, IndexError, KeyError):
        return row
    return row
