"""What a reporter writes of any study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from redo_lab.attempt import reporter as reporter_module
from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.attempt.reporter import Reporter
from redo_lab.config import ProgressConfig
from redo_lab.runs import status
from redo_lab.runs.lease import acquire
from redo_lab.runs.record import Record
from redo_lab.runs.status import State, Status
from redo_lab.types import Counters, Progress


class Epochs:
    """A study of 100 epochs."""

    def __init__(self) -> None:
        self.done, self.phase = 0, "training"

    def progress(self) -> Progress:
        return Progress(self.done, 100, "epochs", self.phase)

    def clocks(self) -> Counters:
        return Counters(env_steps=10 * self.done, updates=2 * self.done)

    def headline(self) -> Mapping[str, float]:
        return {"accuracy": self.done / 100}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for name in ("monotonic", "time"):
        monkeypatch.setattr(reporter_module.time, name, clock)
    return clock


@pytest.fixture
def reporter(tmp_path: Path, clock: Clock) -> Iterator[Reporter]:
    lease, record = acquire(tmp_path, stale_seconds=1), Record(tmp_path)
    log = MetricsLog([record.append])
    yield Reporter(
        ProgressConfig(1, 30), directory=tmp_path, record=record, log=log, total=100, unit="epochs", lease=lease
    )
    record.close()


def at(directory: Path) -> Status:
    found = status.read(directory)
    assert found is not None
    return found


def test_a_status_speaks_the_words_of_its_study(tmp_path: Path, clock: Clock, reporter: Reporter) -> None:
    begun = at(tmp_path)
    assert (begun.state, begun.done, begun.total, begun.unit) == (State.RUNNING, 0, 100, "epochs")
    assert (begun.rate_per_s, begun.headline, begun.stepped) == (None, {}, None)
    study = Epochs()
    for study.done in (1, 2, 3):
        clock.now += 0.5
        reporter.tick(study)
    reporter.end(study, State.FINISHED, None)
    end = at(tmp_path)
    assert (end.state, end.done, end.updates, end.headline) == (State.FINISHED, 3, 6, {"accuracy": 0.03})
    assert end.rate_per_s == pytest.approx(2.0)
    lines = (tmp_path / "throughput.csv").read_text().splitlines()
    assert lines[1].startswith("1.0,20,4,20.0,4.0,")


def test_an_evaluation_spoils_no_rate(tmp_path: Path, clock: Clock, reporter: Reporter) -> None:
    study = Epochs()
    for study.done in range(11):
        clock.now += 1
        reporter.tick(study)
    study.phase = "evaluation"
    for _ in range(10):
        clock.now += 1
        reporter.tick(study)
    assert (at(tmp_path).phase, at(tmp_path).rate_per_s) == ("evaluation", pytest.approx(0.5))
