"""What a sweep will cost, from the pace of runs like its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redo_lab.launch import rates
from redo_lab.launch.estimate import Rest, cost, hours_text

AXES: dict[str, Any] = {"agent": "dqn", "suite": "atari", "replay_ratio": 1, "recycler": "redo", "seed": 0}


SAME_PACE = ("game", "seed")


def measured(root: Path, name: str, rate: float, **axes: object) -> None:
    """A run below `root` that made so many agent steps a second."""
    directory = root / "exp" / name
    directory.mkdir(parents=True)
    run = {"run_id": name, "experiment": "exp", "axes": {**AXES, **axes}, "env_steps": 100}
    (directory / "run.json").write_text(json.dumps(run))
    state = {"state": "running", "env_steps": 5, "total_env_steps": 100, "updates": 3, "heartbeat": 0.0, "attempt": 1}
    (directory / "status.json").write_text(json.dumps({**state, "host": "n1", "rate_env_steps_per_s": rate}))


def test_the_pace_is_the_median_of_the_runs_of_a_kind(tmp_path: Path) -> None:
    for number, rate in enumerate((10.0, 50.0, 1000.0)):
        measured(tmp_path, f"run{number}", rate)
    left = cost([Rest(360_000, "agent steps", {**AXES, "seed": 3}, SAME_PACE)], [tmp_path])
    assert left.hours == pytest.approx(2.0)
    assert (left.known, left.measured, left.unknown) == (1, 3, ())


def test_runs_of_another_kind_or_unit_are_unknown(tmp_path: Path) -> None:
    measured(tmp_path, "run", 10.0)
    rests = [
        Rest(36_000, "agent steps", {**AXES, "recycler": "none"}, SAME_PACE),
        Rest(36_000, "agent steps", AXES, SAME_PACE),
        Rest(36_000, "epochs", AXES, SAME_PACE),
    ]
    left = cost(rests, [tmp_path, tmp_path / "nowhere"])
    assert (left.hours, left.known, left.unknown) == (pytest.approx(1.0), 1, (0, 2))


def test_a_run_tells_which_of_its_axes_leave_its_pace_as_it_is(tmp_path: Path) -> None:
    measured(tmp_path, "a", 50.0, game="pong")
    measured(tmp_path, "b", 100.0, game="pong", recycler="none")
    axes = {**AXES, "game": "qbert"}
    rests = [Rest(360_000, "agent steps", axes, pace) for pace in (SAME_PACE, (*SAME_PACE, "recycler"), ("seed",))]
    each = [cost([rest], [tmp_path]) for rest in rests]
    assert [one.hours for one in each] == [pytest.approx(2.0), pytest.approx(100 / 75), 0.0]
    together = cost(rests, [tmp_path])
    assert (together.hours, together.measured, together.unknown) == (pytest.approx(2 + 100 / 75), 2, (2,))


def test_a_run_that_none_was_measured_for_takes_what_the_rates_of_its_kind_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = {"seconds_per_step": 0.5, "seconds_per_update": 2.0, "processor": "Z80"}
    monkeypatch.setattr(rates, "_rates", lambda: {"online dqn nature ×2 atari": rate})
    kind = rates.kind_of("online", {**AXES, "network": "nature"}, {"network": {"width": 2.0}})
    rest = Rest(1000, "agent steps", AXES, SAME_PACE, rates.Work(kind, 1200, 300))
    unknown = rest._replace(work=rates.Work("offline dqn nature atari", 1, 1))
    alone = cost([rest, unknown], [tmp_path])
    assert alone.hours == pytest.approx((rates.START_SECONDS + 600 + 600) / 3600)
    assert (alone.known, alone.estimated, alone.priced, alone.unknown) == (0, 1, 1, (1,))
    assert alone.source == "by the rates of one Z80 core, without probes: none like these has been measured here"
    measured(tmp_path, "run", 10.0, recycler="none")
    both = cost([rest, rest._replace(axes={**AXES, "recycler": "none"})], [tmp_path])
    assert both.hours == pytest.approx(alone.hours + 100 / 3600)
    assert both.source.endswith(
        "a run like these (device unknown); for 1 of them by the rates of one Z80 core, without probes"
    )


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.0001, "1 s"),
        (0.01, "36 s"),
        (0.05, "3 min"),
        (0.25, "15 min"),
        (0.999, "1 h"),
        (3.44, "3.4 h"),
        (5321.4, "5,321 h"),
    ],
)
def test_hours_are_read_at_a_glance(hours: float, text: str) -> None:
    assert hours_text(hours) == text
