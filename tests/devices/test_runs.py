"""Whole runs and the replay, on every device there is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from redo_lab.commands.train import main
from redo_lab.plan import device_of
from redo_lab.replay.frames import DeviceFrames, Placement
from redo_lab.replay.ring import Replay
from redo_lab.runs import status
from redo_lab.runs.status import State
from tests.helpers.replays import Player, pixels

WORDS = ["env=minatar/breakout", "replay_ratio=1", "recycler=redo", "scale=smoke", "logger=none", "threads=1"]
MOST_SECONDS = 300


def ended(root: Path) -> list[status.Status]:
    found = [status.read(path.parent) for path in sorted(root.rglob("run.json"))]
    return [one for one in found if one is not None]


def test_auto_is_the_gpu_where_there_is_one(device: str) -> None:
    """`device` is every device in turn; the best of them is last."""
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert device_of("auto").type == best
    assert device_of(device).type == device


def test_a_batch_is_the_same_wherever_the_frames_lie(device: str) -> None:
    spec, place = pixels(4), torch.device(device)
    host = Replay(Replay.Config(30, 1, 0.9), spec=spec, device=place)
    there = Replay(Replay.Config(30, 1, 0.9, device=Placement(device)), spec=spec, device=place)
    if device == "cpu":
        there.frames = DeviceFrames(host.frames.shape, spec.dtype, place)
    player = Player(spec, host, there)
    for length, end in ((9, "terminated"), (31, "truncated"), (12, "open")):
        player.episode(length, end)
        batches = [replay.sample(16, np.random.default_rng(1)) for replay in (host, there)]
        for ours, theirs in zip(*batches, strict=True):
            assert ours.device == theirs.device
            assert ours.device.type == device
            assert ours.cpu().numpy().tobytes() == theirs.cpu().numpy().tobytes()


@pytest.mark.slow
def test_a_killed_run_goes_on_to_its_end(device: str, tmp_path: Path) -> None:
    words = [*WORDS, f"device={device}", f"root={tmp_path}", "checkpoint.every_seconds=0.2", f"replay.device={device}"]
    command = [sys.executable, "-m", "redo_lab.cli", "train", *words]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        deadline = time.monotonic() + MOST_SECONDS
        while not list(tmp_path.rglob("checkpoint/*.json")) and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert main(words) == 0
    (one,) = ended(tmp_path)
    assert (one.state, one.done, one.updates, one.device) == (State.FINISHED, 600, 440, device)
    log = next(tmp_path.rglob("log.txt")).read_text()
    assert "continuing at" in log


@pytest.mark.slow
def test_two_runs_share_a_device(device: str, tmp_path: Path) -> None:
    words = ["-m", *WORDS, "seed=0,1", f"device={device}", f"root={tmp_path}", "hydra.launcher.runs_at_once=2"]
    assert main(words) == 0
    assert [(one.state, one.updates, one.device) for one in ended(tmp_path)] == [(State.FINISHED, 440, device)] * 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # by Inductor itself
def test_a_whole_run_is_the_same_with_its_update_as_a_graph(device: str, tmp_path: Path) -> None:
    """On a CPU, which has none, torch.compile stands in for it."""
    how = {"cpu": "default", "cuda": "graph"}[device]
    losses = []
    for compile_as in ("off", how):
        root = tmp_path / compile_as
        words = [*WORDS, f"device={device}", f"root={root}", f"agent.compile={compile_as}", "network.width=0.25"]
        assert main([*words, "recycler=none", "training.log_period_updates=1", "agent.epsilon.final=1"]) == 0
        (path,) = root.rglob("metrics.csv")
        losses.append(pl.read_csv(path).filter(pl.col("name") == "train/loss")["value"].to_list())
    assert len(losses[0]) == 440
    assert losses[1][:50] == pytest.approx(losses[0][:50], rel=1e-2, abs=1e-3)
