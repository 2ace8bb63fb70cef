"""What runs cost."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from redo_lab.analysis.costs import costs, per_method
from tests.helpers.studies import make_run

HEADER = "wall_seconds,env_steps,updates,env_steps_per_s,updates_per_s,peak_memory_mb\n"


def test_attempts_are_added_up_and_only_gpus_count_as_gpus(tmp_path: Path) -> None:
    resumed = make_run(tmp_path, "none", "pong", 0, [1.0])
    lines = "600.0,1,50,1,1,100.0\n1800.0,2,100,1,1,900.0\n900.0,3,150,1,1,200.0\n1800.0,4,200,1,1,300.0\n"
    (resumed / "throughput.csv").write_text(HEADER + lines)
    gpu = make_run(tmp_path, "none", "pong", 1, [1.0], device="cuda")
    bare = make_run(tmp_path, "redo", "pong", 0, [1.0])
    (bare / "throughput.csv").unlink()
    found = costs([str(resumed), str(gpu), str(bare)])
    first, second, third = found.iter_rows(named=True)
    assert (first["hours"], first["peak_memory_mb"]) == (1.0, 900.0)
    assert first["updates_per_s"] == pytest.approx(200 / 3600)
    assert (second["hours"], second["device"]) == (0.5, "cuda")
    assert third["hours"] is None
    runs = pl.DataFrame({"directory": found["directory"], "method": ["none", "none", "redo"], "updates": [200, 300, 0]})
    none, redo = per_method(runs, found).iter_rows(named=True)
    assert (none["runs"], none["gradient_steps"], none["hours"], none["gpu_hours"]) == (2, 500, 1.5, 0.5)
    assert none["peak_memory_gb"] == 0.9
    assert redo["updates_per_s"] is None
