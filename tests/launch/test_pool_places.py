"""How many runs a local pool has at once, and on which cores and GPUs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from redo_lab.config import ConfigError
from redo_lab.launch.gpus import visible
from redo_lab.launch.local import Pool
from tests.helpers.pools import Silent, make, settings


def test_null_is_as_many_runs_as_the_cores_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(7)))
    assert settings(runs_at_once=None, threads_per_run=2).at_once() == 3
    assert settings(runs_at_once=None, threads_per_run=8).at_once() == 1
    assert settings(runs_at_once=5, threads_per_run=2).at_once() == 5
    assert settings(runs_at_once=None, threads_per_run=None).at_once() == 7


def test_on_gpus_it_is_runs_per_gpu_on_each_and_the_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(7)))
    shared = settings(runs_at_once=None, threads_per_run=None, runs_per_gpu=3)
    assert (shared.at_once(gpus=2), shared.threads(6), shared.threads(2), shared.threads(9)) == (6, 1, 3, 1)
    assert settings(runs_at_once=4, threads_per_run=None).at_once(gpus=2) == 4
    assert settings(threads_per_run=2).threads(7) == 2


def test_each_run_sees_the_gpu_with_the_fewest_runs(tmp_path: Path) -> None:
    jobs = make(tmp_path, *["gpu"] * 6)
    (tmp_path / "child.py").write_text("import os, sys, time; time.sleep(1); print(os.environ['CUDA_VISIBLE_DEVICES'])")
    configured = settings(runs_at_once=None, threads_per_run=1, runs_per_gpu=2)
    pooled = Pool(configured, Silent(), lambda _: [sys.executable, "-S", str(tmp_path / "child.py")], ["3", "5", "7"])
    assert pooled.run(jobs).runs_at_once == 6
    seen = sorted((job.directory / "console.txt").read_text().strip() for job in jobs)
    assert seen == ["3", "3", "5", "5", "7", "7"]


def test_gpus_are_those_that_cuda_may_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible() == []
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert visible() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-ab")
    assert visible() == ["2", "GPU-ab"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible() == []


@pytest.mark.parametrize("name", ["runs_at_once", "threads_per_run", "runs_per_gpu", "refresh_seconds", "line_seconds"])
@pytest.mark.parametrize("value", [0, -1])
def test_settings_out_of_range_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"hydra.launcher.{name} must be > 0, got {value}|{name} must be > 0"):
        settings(**{name: value})
