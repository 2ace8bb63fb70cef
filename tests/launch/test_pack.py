"""The supervisor of a Slurm job, with real child processes: neighbours, crashes, being told to stop."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from redo_lab.launch.board import Job
from redo_lab.launch.child import write_pending
from redo_lab.launch.pack import Pack, Settings, crashes
from redo_lab.runs import status
from redo_lab.runs.status import State
from tests.helpers.launched import own

RUN = textwrap.dedent(
    """
    import json, os, signal, sys, time
    from pathlib import Path
    directory = Path(sys.argv[1])
    how = json.loads((directory / "how.json").read_text())
    starts = directory / "starts"
    starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
    attempt = len(starts.read_text())
    def end(state, code, error=None):
        path = directory / "status.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "state": state, "error": error}))
        sys.exit(code)
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda *_: end("preempted", 143))
    (directory / "gpu").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    (directory / "threads").write_text(os.environ["OMP_NUM_THREADS"])
    step = how[min(attempt, len(how)) - 1]
    if step == "raise":
        end("failed", 1, "Traceback\\nValueError: no good")
    if step == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if step == "held":
        sys.exit(2)
    if step == "mistake":
        values = json.loads((directory / "status.json").read_text())
        (directory / "status.json").write_text(json.dumps({**values, "pid": os.getpid()}))
        end("failed", 2, "seed must be a number")
    if step == "wait":
        time.sleep(60)
    end("finished", 0)
    """
)


def command(directory: Path) -> Sequence[str]:
    return [sys.executable, "-c", RUN, str(directory)]


def settings(at_once: int = 4, gpus: int = 1, max_crashes: int = 2) -> Settings:
    return Settings(at_once, gpus, 3, max_crashes, grace_seconds=10, held_seconds=0.1, settle_seconds=0.1)


def job(root: Path, name: str, *how: str) -> Job:
    directory = root / name
    directory.mkdir()
    (directory / "how.json").write_text(json.dumps(how))
    return Job(name, directory, 100, "agent steps")


def starts(job: Job) -> int:
    return len((job.directory / "starts").read_text())


def wait_until_started(*jobs: Job) -> None:
    while not all((job.directory / "threads").exists() and starts(job) for job in jobs):
        time.sleep(0.02)
    time.sleep(0.1)


def test_a_run_that_crashes_stops_no_neighbour_and_is_tried_again_until_it_has_crashed_too_often(
    tmp_path: Path,
) -> None:
    well, bad = job(tmp_path, "well", "finish"), job(tmp_path, "bad", "raise")
    once, killed = job(tmp_path, "once", "raise", "finish"), job(tmp_path, "killed", "die", "finish")
    ended = Pack([well, bad, once, killed], settings(), command)()
    assert {Path(directory).name: state for directory, state in ended.items()} == {
        "well": "finished",
        "bad": "failed",
        "once": "finished",
        "killed": "finished",
    }
    assert [starts(one) for one in (well, bad, once, killed)] == [1, 2, 2, 2]
    assert json.loads((bad.directory / "crashes.json").read_text()) == {
        "crashes": 2,
        "last_error": "Traceback\nValueError: no good",
    }
    assert [crashes(one.directory) for one in (well, once, killed)] == [0, 1, 1]


def test_a_new_job_leaves_alone_what_is_finished_or_has_crashed_too_often(tmp_path: Path) -> None:
    well, bad = job(tmp_path, "well", "finish"), job(tmp_path, "bad", "raise")
    pack = Pack([well, bad], settings(), command)
    pack()
    pickle.loads(pickle.dumps(pack))()
    assert [starts(one) for one in (well, bad)] == [1, 2]


def test_a_run_that_another_process_has_is_waited_for_and_is_no_crash(tmp_path: Path) -> None:
    held = job(tmp_path, "held", "held", "held", "finish")
    write_pending(held)
    own(held.directory)
    assert Pack([held], settings(), command)() == {str(held.directory): "finished"}
    assert (starts(held), crashes(held.directory)) == (3, 0)


def test_refused_twice_though_nobody_has_the_run_is_a_crash(tmp_path: Path) -> None:
    refused = job(tmp_path, "refused", "held")
    assert Pack([refused], settings(), command)() == {str(refused.directory): "failed"}
    assert (starts(refused), crashes(refused.directory)) == (3, 2)


def test_a_mistake_in_its_config_is_not_tried_again(tmp_path: Path) -> None:
    mistaken = job(tmp_path, "mistaken", "mistake")
    assert Pack([mistaken], settings(max_crashes=3), command)() == {str(mistaken.directory): "failed"}
    found = status.read(mistaken.directory)
    assert (starts(mistaken), crashes(mistaken.directory)) == (1, 0)
    assert found is not None
    assert found.error == "seed must be a number"


def test_a_damaged_count_of_crashes_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "crashes.json").write_text("{")
    assert crashes(tmp_path) == 0
    assert str(tmp_path / "crashes.json") in caplog.text


def test_more_runs_than_go_at_once_wait_in_the_job(tmp_path: Path) -> None:
    jobs = [job(tmp_path, f"run{n}", "finish") for n in range(5)]
    assert set(Pack(jobs, settings(at_once=2), command)().values()) == {"finished"}


def test_neighbours_share_the_gpus_of_the_job_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    jobs = [job(tmp_path, f"run{n}", "finish") for n in range(4)]
    Pack(jobs, settings(at_once=4, gpus=2), command)()
    assert [(one.directory / "gpu").read_text() for one in jobs] == ["2", "5", "2", "5"]
    assert {(one.directory / "threads").read_text() for one in jobs} == {"3"}


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_told_to_end_it_lets_its_runs_save_and_starts_none_again(tmp_path: Path, number: int) -> None:
    jobs = [job(tmp_path, f"run{n}", "wait") for n in range(2)]

    def tell() -> None:
        wait_until_started(*jobs)
        os.kill(os.getpid(), number)

    teller = threading.Thread(target=tell)
    teller.start()
    assert set(Pack(jobs, settings(), command)().values()) == {"preempted"}
    teller.join()
    assert [starts(one) for one in jobs] == [1, 1]
    assert [crashes(one.directory) for one in jobs] == [0, 0]


def test_checkpoint_saves_every_run_and_asks_for_the_same_again(tmp_path: Path) -> None:
    waiting, well = job(tmp_path, "waiting", "wait", "finish"), job(tmp_path, "well", "finish")
    pack = Pack([waiting, well], settings(), command)
    again: list[object] = []

    def handler(*_: object) -> None:
        again.append(pack.checkpoint())

    before = signal.signal(signal.SIGUSR2, handler)

    def tell() -> None:
        wait_until_started(waiting, well)
        os.kill(os.getpid(), signal.SIGUSR2)

    teller = threading.Thread(target=tell)
    teller.start()
    pack()
    teller.join()
    signal.signal(signal.SIGUSR2, before)
    found = status.read(waiting.directory)
    assert found is not None
    assert found.state is State.PREEMPTED
    (delayed,) = again
    assert set(pickle.loads(pickle.dumps(delayed.function))().values()) == {"finished"}  # type: ignore[attr-defined]
    assert [starts(one) for one in (waiting, well)] == [2, 1]
