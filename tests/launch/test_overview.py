"""What runs look like from outside: their own word first, then Slurm's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from redo_lab.launch.overview import DEAD_SECONDS, Overview, Row, Standing, counts
from redo_lab.runs.status import State
from tests.helpers.launched import make_run, own, record, slurm_says

QUEUED = "7_0|PENDING|Priority|\n7_1|RUNNING|None|n2"


@pytest.fixture
def no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def seen(root: Path) -> dict[str, Row]:
    return {row.run_id: row for row in Overview([root]).rows()}


@pytest.mark.usefixtures("no_slurm")
@pytest.mark.parametrize("state", list(State))
def test_what_a_run_says_of_itself_stands_where_there_is_no_slurm(tmp_path: Path, state: State) -> None:
    directory = make_run(tmp_path, "a0", state)
    if state is State.RUNNING:
        own(directory)
    assert seen(tmp_path)["a0"].state.value == state.value


@pytest.mark.usefixtures("no_slurm")
def test_a_run_that_nothing_has_begun_is_pending(tmp_path: Path) -> None:
    make_run(tmp_path, "a0", None)
    row = seen(tmp_path)["a0"]
    assert (row.state, row.done, row.total, row.attempt) == (Standing.PENDING, 0, 1000, 0)


@pytest.mark.usefixtures("no_slurm")
def test_a_process_of_this_machine_is_looked_at_whatever_its_heartbeat(tmp_path: Path) -> None:
    """A fresh heartbeat of a dead process is lost, an old one of a process that lives (suspended) is not."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    own(make_run(tmp_path, "dead0", State.RUNNING), pid=gone.pid)
    own(make_run(tmp_path, "slow0", State.RUNNING, age=10 * DEAD_SECONDS))
    assert {name: row.state for name, row in seen(tmp_path).items()} == {
        "dead0": Standing.LOST,
        "slow0": Standing.RUNNING,
    }


@pytest.mark.usefixtures("no_slurm")
def test_elsewhere_the_heartbeat_tells(tmp_path: Path) -> None:
    own(make_run(tmp_path, "dead0", State.RUNNING, age=DEAD_SECONDS + 5), host="elsewhere")
    own(make_run(tmp_path, "live0", State.RUNNING, age=DEAD_SECONDS - 5), host="elsewhere")
    assert {name: row.state for name, row in seen(tmp_path).items()} == {
        "dead0": Standing.LOST,
        "live0": Standing.RUNNING,
    }


def test_slurm_tells_pending_from_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    root = tmp_path / "runs"
    old = {"age": DEAD_SECONDS + 5}
    make_run(root, "queued0", State.PENDING)
    make_run(root, "requeued0", State.PREEMPTED)
    own(make_run(root, "begun0", State.RUNNING, **old), host="elsewhere")
    make_run(root, "gone0", State.PENDING)
    own(make_run(root, "killed0", State.RUNNING, **old), host="elsewhere")
    make_run(root, "saved0", State.PREEMPTED)
    make_run(root, "done0", State.FINISHED)
    make_run(root, "unsent0", State.PENDING)
    record(root, {"7_0": ["queued0", "requeued0"], "7_1": ["begun0"], "7_2": ["gone0", "killed0", "saved0", "done0"]})
    monkeypatch.setenv("PATH", slurm_says(bin_folder, squeue=QUEUED, sacct="7_2|NODE_FAIL|n1"))
    found = seen(root)
    assert {name: row.state for name, row in found.items()} == {
        "queued0": Standing.PENDING,
        "requeued0": Standing.PENDING,
        "begun0": Standing.PENDING,
        "gone0": Standing.LOST,
        "killed0": Standing.LOST,
        "saved0": Standing.PREEMPTED,
        "done0": Standing.FINISHED,
        "unsent0": Standing.PENDING,
    }
    assert found["queued0"].node == "(Priority)"
    assert (found["queued0"].job, found["begun0"].node, found["unsent0"].job) == ("7_0", "n2", "")
    asked = (bin_folder / "calls").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["squeue", "sacct"]

    # Accounting off: squeue alone says that a job is gone.
    monkeypatch.setenv("PATH", slurm_says(bin_folder, squeue=QUEUED))
    assert {name: row.state for name, row in seen(root).items()} == {name: row.state for name, row in found.items()}

    # Slurm out of reach: a run that waits may still wait.
    monkeypatch.setenv("PATH", slurm_says(bin_folder, squeue=None))
    assert seen(root)["gone0"].state is Standing.PENDING


def test_slurm_is_not_asked_about_runs_that_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    make_run(tmp_path / "runs", "a0", State.FINISHED)
    make_run(tmp_path / "runs", "b0", State.FAILED)
    record(tmp_path / "runs", {"7": ["a0", "b0"]})
    monkeypatch.setenv("PATH", slurm_says(tmp_path / "bin"))
    seen(tmp_path / "runs")
    assert not (tmp_path / "bin" / "calls").exists()


@pytest.mark.usefixtures("no_slurm")
def test_rates_and_what_is_left_are_those_of_running_runs(tmp_path: Path) -> None:
    told = {"rate_per_s": 50.0, "done": 400, "total": 1000, "headline": {"return": 2.5}}
    own(make_run(tmp_path, "a0", State.RUNNING, **told))
    make_run(tmp_path, "b0", State.PREEMPTED, **told)
    found = seen(tmp_path)
    assert (found["a0"].rate_per_s, found["a0"].eta_seconds, found["a0"].headline) == (50.0, 12.0, {"return": 2.5})
    assert (found["b0"].rate_per_s, found["b0"].eta_seconds, found["b0"].headline) == (None, None, {"return": 2.5})


@pytest.mark.usefixtures("no_slurm")
def test_a_single_run_finds_the_job_of_its_sweep(tmp_path: Path) -> None:
    directory = make_run(tmp_path, "a0", State.PENDING)
    record(tmp_path, {"7": ["a0"]})
    assert [row.job for row in Overview([directory]).rows()] == ["7"]


@pytest.mark.usefixtures("no_slurm")
def test_counts_come_in_the_order_of_what_needs_a_look(tmp_path: Path) -> None:
    for name, state in (("a0", State.FINISHED), ("b0", State.FAILED), ("c0", State.FINISHED)):
        make_run(tmp_path, name, state)
    assert list(counts(Overview([tmp_path]).rows()).items()) == [("failed", 1), ("finished", 2)]


def with_settings(root: Path, experiment: str, run_id: str, axes: dict[str, object], **settings: object) -> None:
    directory = root / experiment / run_id
    directory.mkdir(parents=True)
    run = {"run_id": run_id, "experiment": experiment, "name": "dqn breakout s0", "axes": axes, "total": 9}
    (directory / "run.json").write_text(json.dumps({**run, "settings": settings}))


@pytest.mark.usefixtures("no_slurm")
def test_runs_of_one_name_are_followed_by_what_they_differ_in(tmp_path: Path) -> None:
    atari, minatar = {"suite": "atari", "seed": 0}, {"suite": "minatar", "seed": 0}
    with_settings(tmp_path, "a", "x-1", atari, agent={"learning_rate": 0.01, "eps": 1}, network={"width": 1})
    with_settings(tmp_path, "a", "x-2", atari, agent={"learning_rate": 0.001, "eps": 2}, network={"width": 1})
    with_settings(tmp_path, "a", "x-3", minatar, agent={"learning_rate": 0.01, "eps": 1}, network={"width": 1})
    with_settings(tmp_path, "b", "x-1", atari, network={"width": 4})
    assert {(row.experiment, row.run_id): row.name for row in Overview([tmp_path]).rows()} == {
        ("a", "x-1"): "dqn breakout s0, atari, lr 0.01",
        ("a", "x-2"): "dqn breakout s0, atari, lr 0.001",
        ("a", "x-3"): "dqn breakout s0, minatar, lr 0.01",
        ("b", "x-1"): "dqn breakout s0",
    }


@pytest.mark.usefixtures("no_slurm")
def test_runs_that_nothing_tells_apart_are_followed_by_the_end_of_their_ids(tmp_path: Path) -> None:
    for run_id in ("x-e998", "x-1172"):
        with_settings(tmp_path, "a", run_id, {"seed": 0})
    assert {row.name for row in Overview([tmp_path]).rows()} == {"dqn breakout s0, e998", "dqn breakout s0, 1172"}
