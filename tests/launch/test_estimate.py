"""What a sweep will cost, from the pace of runs like its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redo_lab.launch.estimate import Axes, hours
from redo_lab.launch.record import SweepRun

AXES: dict[str, Any] = {"agent": "dqn", "suite": "atari", "replay_ratio": 1, "recycler": "redo", "seed": 0}


SAME_PACE = ("game", "seed")


def measured(root: Path, name: str, rate: float, **axes: object) -> None:
    """A run below `root` that made so many agent steps a second."""
    directory = root / "exp" / name
    directory.mkdir(parents=True)
    run = {"run_id": name, "experiment": "exp", "axes": {**AXES, **axes}, "env_steps": 100}
    (directory / "run.json").write_text(json.dumps(run))
    state = {"state": "running", "env_steps": 5, "total_env_steps": 100, "updates": 0, "heartbeat": 0.0, "attempt": 1}
    (directory / "status.json").write_text(json.dumps({**state, "host": "n1", "rate_env_steps_per_s": rate}))


def asked(same_pace: tuple[str, ...] = SAME_PACE, **axes: object) -> tuple[SweepRun, Axes]:
    """A run to be estimated."""
    return SweepRun("b", "/b", "b", 360_000, "agent steps", []), Axes({**AXES, **axes}, same_pace)


def test_the_pace_is_the_median_of_the_runs_of_a_kind(tmp_path: Path) -> None:
    for number, rate in enumerate((10.0, 50.0, 1000.0)):
        measured(tmp_path, f"run{number}", rate)
    run, axes = asked(seed=3)
    assert hours([run], [axes], [tmp_path]) == (pytest.approx(2.0), 0)


def test_a_run_tells_which_of_its_axes_leave_its_pace_as_it_is(tmp_path: Path) -> None:
    measured(tmp_path, "a", 50.0, game="pong")
    measured(tmp_path, "b", 100.0, game="pong", recycler="none")
    runs = [asked(game="qbert"), asked((*SAME_PACE, "recycler"), game="qbert"), asked(("seed",), game="qbert")]
    each = [hours([run], [axes], [tmp_path]) for run, axes in runs]
    assert each == [(pytest.approx(2.0), 0), (pytest.approx(100 / 75), 0), (0.0, 1)]
