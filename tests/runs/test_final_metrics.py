"""A finished run's metrics that were cut or changed are told from whole ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from redo_lab.runs.checkpoint import Checkpoints
from redo_lab.runs.final_metrics import final_metrics_problem
from redo_lab.runs.record import Record
from redo_lab.types import Row


@pytest.fixture
def run(tmp_path: Path) -> Path:
    record, checkpoints = Record(tmp_path), Checkpoints(tmp_path / "checkpoint")
    for number in (1, 2):
        record.append([Row(number, 1, {"return": number / 3})])
        checkpoints.commit(number, b"state", [], record.offsets()._asdict())
    record.close()
    return tmp_path


def test_whole_metrics_have_no_problem(run: Path) -> None:
    assert final_metrics_problem(run) is None


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:40]), "has 40 bytes, but had 89 when the run finished"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "has 90 bytes"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"0.3", b"0.9")), "was changed after the run had"),
        (Path.unlink, "cannot be read (No such file"),
    ],
)
def test_metrics_that_were_cut_changed_or_lost_are_named(
    run: Path, harm: Callable[[Path], object], problem: str
) -> None:
    harm(run / "metrics.csv")
    assert problem in (final_metrics_problem(run) or "")


def test_of_an_old_run_or_one_without_checkpoints_nothing_is_known(tmp_path: Path) -> None:
    assert final_metrics_problem(tmp_path) is None
    Checkpoints(tmp_path / "checkpoint").commit(1, b"", [], {"metrics_bytes": 5, "throughput_bytes": 5})
    assert final_metrics_problem(tmp_path) is None
