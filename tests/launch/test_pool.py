"""The local pool, with small scripts in place of training runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from redo_lab.launch.local import Pool, exit_code, train_command
from redo_lab.runs.status import State
from tests.helpers.pools import Silent, make, pool, settings, state_of, status_of


def test_no_more_than_n_runs_go_at_once_and_n_do(tmp_path: Path) -> None:
    board = pool(tmp_path).run(make(tmp_path, *["finish"] * 5))
    under_way, most = 0, 0
    for word in (tmp_path / "events").read_text().split():
        under_way += 1 if word == "start" else -1
        most = max(most, under_way)
    assert most == 2
    assert [ended.status.state for ended in board.ended] == [State.FINISHED] * 5
    assert exit_code(board) == 0


def test_a_failing_run_stops_no_other_and_its_own_word_stands(tmp_path: Path) -> None:
    jobs = make(tmp_path, "fail", "finish", "finish")
    board = pool(tmp_path, runs_at_once=1).run(jobs)
    assert [state_of(job) for job in jobs] == [State.FAILED, State.FINISHED, State.FINISHED]
    assert status_of(jobs[0]).error == "Traceback\nValueError: bad luck"
    assert exit_code(board) == 1


def test_a_run_that_cannot_be_done_as_it_is_asked_for_has_failed_at_once(tmp_path: Path) -> None:
    jobs = make(tmp_path, "mistake", "finish")
    board = pool(tmp_path, runs_at_once=1).run(jobs)
    assert [state_of(job) for job in jobs] == [State.FAILED, State.FINISHED]
    assert status_of(jobs[0]).error == "seed must be a number"
    assert (tmp_path / "events").read_text().split() == ["mistake", "start", "end"]
    assert exit_code(board) == 1


def test_a_killed_run_is_failed_with_what_it_said_last_and_how_far_it_was(tmp_path: Path) -> None:
    [job] = make(tmp_path, "killed")
    (job.directory / "console.txt").write_text("of an earlier attempt\n")
    pool(tmp_path).run([job])
    assert status_of(job).state is State.FAILED
    assert status_of(job).error == "last words\nkilled by SIGKILL (out of memory?)"
    assert status_of(job).done == 40
    assert (job.directory / "console.txt").read_text() == "of an earlier attempt\nlast words\n"


HANGING = """
import ctypes, sys
from pathlib import Path
from redo_lab.envs.guard import Guard
from tests.envs.test_guard import Scripted, step

def respond(number):
    if number == 2:
        ctypes.PyDLL(None).sleep(1000)  # keeps Python's lock
    return step()

status = Path(sys.argv[1]) / "status.json"
status.write_text(status.read_text().replace('"pending"', '"running"'))
env = Guard("maze", timeout_seconds=0.5, on_hang=print).wrap(Scripted(respond), "training")
env.reset()
for _ in range(2):
    env.step(0)
"""


def test_a_step_that_hangs_and_lets_no_thread_run_has_failed_with_that_as_the_reason(tmp_path: Path) -> None:
    [job] = make(tmp_path, "hang")
    run = {"run_id": "run0", "axes": {"game": "maze"}, "total": 100}
    (job.directory / "run.json").write_text(json.dumps(run))
    root = str(Path(__file__).parent.parent.parent)
    code = f"import sys; sys.path.insert(0, {root!r})\n{HANGING}"
    pooled = Pool(settings(), Silent(), lambda directory: [sys.executable, "-c", code, str(directory)])
    assert exit_code(pooled.run([job])) == 1
    last = status_of(job)
    assert last.state is State.FAILED
    assert last.error is not None
    assert last.error.splitlines()[-1] == "a step of maze took longer than 0.5 seconds and let no thread run"
    assert "in respond" in last.error


def test_a_run_that_does_not_even_start_is_failed_with_its_own_error_last(tmp_path: Path) -> None:
    [job] = make(tmp_path, "crash")
    pool(tmp_path).run([job])
    error = status_of(job).error or ""
    assert error.startswith("ended with exit code 1 and no word on how\nTraceback")
    assert error.endswith("ImportError: no such thing")
    assert status_of(job).attempt == 1


def test_attempts_are_counted_on(tmp_path: Path) -> None:
    [job] = make(tmp_path, "crash")
    pool(tmp_path).run([job])
    pool(tmp_path).run([job])
    assert status_of(job).attempt == 2


def test_children_are_told_how_many_threads_to_use(tmp_path: Path) -> None:
    [job] = make(tmp_path, "threads")
    pool(tmp_path, threads_per_run=3).run([job])
    assert (job.directory / "console.txt").read_text() == "['3', '3', '3']\n"


def test_the_child_of_a_run_is_this_python_on_its_directory() -> None:
    assert train_command(Path("a b")) == [sys.executable, "-P", "-m", "redo_lab.commands.train", "--directory", "a b"]


def test_a_file_of_the_users_is_not_taken_for_one_of_pythons(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('imported')")
    done = subprocess.run(train_command(tmp_path / "no run"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "config.yaml" in done.stderr
    assert "imported" not in done.stderr
