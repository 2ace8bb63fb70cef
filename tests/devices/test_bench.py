"""`make bench-gpu` measures runs, here tiny ones; where there is no GPU it says so."""

from __future__ import annotations

import pytest
import torch

from scripts import bench_gpu

TINY = ("network.width=0.05", "agent.warmup_env_steps=60", "replay.capacity=500")


@pytest.mark.parametrize("workload", bench_gpu.WORKLOADS)
def test_a_run_is_measured(workload: str, device: str) -> None:
    for mode in ("off", "graph") if device == "cuda" else ("off",):
        rates = bench_gpu.timed(bench_gpu.warm(workload, mode, device, TINY), seconds=0.05)
        assert rates.env_steps_per_s > 0
        assert rates.updates_per_s > 0
        assert rates.memory_mib > 1


def test_without_a_gpu_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench_gpu.main([]) == 0
    assert capsys.readouterr().out == "bench-gpu: skipped: torch finds no CUDA device here\n"
