"""Every recycler and regulariser of conf/ trains on every agent, for real, at scale=smoke; a new one is covered too."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from redo_lab.commands.train import main
from redo_lab.runs import status
from redo_lab.runs.status import State
from tests.helpers.methods import METHODS, REGULARISERS

AGENTS = {
    "dqn": ["agent=dqn", "env=minatar/breakout", "replay_ratio=1"],
    "drq_eps": ["agent=drq_eps", "env=atari_100k/pong", "network.width=0.25"],
    "sac": ["agent=sac", "env=mujoco/hopper", "network.width=0.25"],
}


@pytest.mark.slow
@pytest.mark.parametrize("method", [*METHODS, *REGULARISERS])
@pytest.mark.parametrize("agent", AGENTS)
def test_every_method_trains_on_every_agent(agent: str, method: str, tmp_path: Path) -> None:
    group = "regulariser" if method in REGULARISERS else "recycler"
    words = [
        *AGENTS[agent],
        f"{group}={method}",
        f"network.norm={'layer' if method in REGULARISERS else 'none'}",
        "probe=[dormancy,overlap,norms,churn,values,rank]",
    ]
    assert main([*words, "scale=smoke", "logger=none", "threads=1", f"root={tmp_path}"]) == 0
    (directory,) = (path.parent for path in tmp_path.rglob("run.json"))
    found = status.read(directory)
    assert found is not None
    assert (found.state, found.done, found.updates) == (State.FINISHED, 600, 440)
    metrics = pl.read_csv(directory / "metrics.csv")
    assert all(math.isfinite(value) for value in metrics["value"])
    acted = metrics.filter(pl.col("name").str.starts_with(f"{method}/"))
    assert method in ("none", "weight_decay") or acted.height > 0
