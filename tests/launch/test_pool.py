"""The local pool, with small scripts in place of training runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from redo_lab.config import ConfigError, parse
from redo_lab.launch import local
from redo_lab.launch.board import Board, Ended, Job, Running
from redo_lab.launch.gpus import visible
from redo_lab.launch.local import Pool, exit_code, train_command
from redo_lab.launch.table import overall
from redo_lab.runs import status
from redo_lab.runs.lease import acquire
from redo_lab.runs.status import State, Status
from tests.helpers.launched import own

CHILD = """
import json, os, signal, sys, time
from pathlib import Path

directory = Path(sys.argv[1])

def say(state, **more):
    values = json.loads((directory / "status.json").read_text())
    (directory / "new").write_text(json.dumps({**values, "state": state, **more}))
    (directory / "new").replace(directory / "status.json")

def note(word):
    with (directory.parent / "events").open("a") as events:
        events.write(f"{word}\\n")

def wait_for_signal():
    count = 0
    def counted(number, frame):
        nonlocal count
        count += 1
    signal.signal(signal.SIGINT, counted)
    say("running")
    while not count:
        time.sleep(0.02)
    time.sleep(0.4 + 0.4 * (directory.name == "run1"))  # one ends first, and leaves a place free
    (directory / "signals").write_text(str(count))
    say("interrupted")

def ignore_signals():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say("running")
    time.sleep(60)

kind = (directory / "kind").read_text()
if kind == "finish":
    note("start")
    say("running")
    time.sleep(0.3)
    note("end")
    say("finished", done=100, headline={"return": 3.0})
elif kind == "fail":
    say("failed", error="Traceback\\nValueError: bad luck")
    sys.exit(1)
elif kind == "killed":
    say("running", done=40)
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
elif kind == "crash":
    raise ImportError("no such thing")
elif kind == "wait":
    wait_for_signal()
elif kind == "ignore":
    ignore_signals()
elif kind == "refused":
    note("refused")
    sys.exit(2)
elif kind == "mistake":
    note("mistake")
    say("failed", error="seed must be a number", pid=os.getpid())
    sys.exit(2)
elif kind == "lost":
    (directory / "kind").write_text("finish")
    sys.exit(4)
elif kind == "threads":
    print([os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")])
    say("finished")
"""

DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.launch.test_pool import jobs_in, pool
from redo_lab.launch.local import exit_code
board = pool(Path(sys.argv[1]), runs_at_once=2).run(jobs_in(Path(sys.argv[1])))
sys.exit(exit_code(board))
"""


class Silent:
    """A display for tests that look at the board."""

    def started(self, running: Running) -> None:
        pass

    def ended(self, ended: Ended, board: Board) -> None:
        pass

    def show(self, board: Board) -> None:
        pass


def settings(**changed: object) -> Pool.Config:
    usual = {"runs_at_once": 2, "threads_per_run": 1, "gpus": None, "runs_per_gpu": 1}
    values = {**usual, "refresh_seconds": 0.05, "line_seconds": 30, **changed}
    node = {"_target_": "redo_lab.launch.local.Pool", **values}
    config: Pool.Config = parse(node, "hydra.launcher")
    return config


def pool(root: Path, **changed: object) -> Pool:
    (root / "child.py").write_text(CHILD)
    return Pool(
        settings(**changed), Silent(), lambda directory: [sys.executable, "-S", str(root / "child.py"), str(directory)]
    )


def make(root: Path, *kinds: str) -> list[Job]:
    for index, kind in enumerate(kinds):
        (root / f"run{index}").mkdir()
        (root / f"run{index}" / "kind").write_text(kind)
    return jobs_in(root)


def jobs_in(root: Path) -> list[Job]:
    return [Job(directory.name, directory, 100, "agent steps") for directory in sorted(root.glob("run*"))]


def blank(job: Job) -> Status:
    return status.blank(job.total, job.unit)


def found(job: Job) -> Status:
    read = status.read(job.directory)
    assert read is not None
    return read


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def state_of(job: Job) -> State | None:
    read = status.read(job.directory)
    return read.state if read else None


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        code = DRIVER.format(tests=str(Path(__file__).parent.parent.parent))
        started.append(subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


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
    assert found(jobs[0]).error == "Traceback\nValueError: bad luck"
    assert exit_code(board) == 1


def test_a_run_that_cannot_be_done_as_it_is_asked_for_has_failed_at_once(tmp_path: Path) -> None:
    jobs = make(tmp_path, "mistake", "finish")
    board = pool(tmp_path, runs_at_once=1).run(jobs)
    assert [state_of(job) for job in jobs] == [State.FAILED, State.FINISHED]
    assert found(jobs[0]).error == "seed must be a number"
    assert (tmp_path / "events").read_text().split() == ["mistake", "start", "end"]
    assert exit_code(board) == 1


def test_a_killed_run_is_failed_with_what_it_said_last_and_how_far_it_was(tmp_path: Path) -> None:
    [job] = make(tmp_path, "killed")
    (job.directory / "console.txt").write_text("of an earlier attempt\n")
    pool(tmp_path).run([job])
    assert found(job).state is State.FAILED
    assert found(job).error == "last words\nkilled by SIGKILL (out of memory?)"
    assert found(job).done == 40
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
    last = found(job)
    assert last.state is State.FAILED
    assert last.error is not None
    assert last.error.splitlines()[-1] == "a step of maze took longer than 0.5 seconds and let no thread run"
    assert "in respond" in last.error


def test_a_run_that_does_not_even_start_is_failed_with_its_own_error_last(tmp_path: Path) -> None:
    [job] = make(tmp_path, "crash")
    pool(tmp_path).run([job])
    error = found(job).error or ""
    assert error.startswith("ended with exit code 1 and no word on how\nTraceback")
    assert error.endswith("ImportError: no such thing")
    assert found(job).attempt == 1


def test_attempts_are_counted_on(tmp_path: Path) -> None:
    [job] = make(tmp_path, "crash")
    pool(tmp_path).run([job])
    pool(tmp_path).run([job])
    assert found(job).attempt == 2


def test_children_are_told_how_many_threads_to_use(tmp_path: Path) -> None:
    [job] = make(tmp_path, "threads")
    pool(tmp_path, threads_per_run=3).run([job])
    assert (job.directory / "console.txt").read_text() == "['3', '3', '3']\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_each_child_once_and_starts_nothing_more(
    tmp_path: Path, driver: Callable[[], subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    jobs = make(tmp_path, "wait", "wait", "finish")
    process = driver()
    wait_until(lambda: [state_of(job) for job in jobs[:2]] == [State.RUNNING] * 2)
    os.killpg(process.pid, number)  # as a terminal does: to every process of the group
    assert process.wait(10) == 130
    assert [(job.directory / "signals").read_text() for job in jobs[:2]] == ["1", "1"]
    assert [state_of(job) for job in jobs] == [State.INTERRUPTED] * 3


def test_a_second_signal_kills(tmp_path: Path, driver: Callable[[], subprocess.Popen[bytes]]) -> None:
    jobs = make(tmp_path, "ignore")
    process = driver()
    wait_until(lambda: state_of(jobs[0]) is State.RUNNING)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert found(jobs[0]).state is State.INTERRUPTED
    assert found(jobs[0]).error is None


def test_runs_end_when_their_pool_is_killed(tmp_path: Path, driver: Callable[[], subprocess.Popen[bytes]]) -> None:
    [job] = make(tmp_path, "wait")
    process = driver()
    wait_until(lambda: state_of(job) is State.RUNNING)
    process.kill()
    wait_until(lambda: state_of(job) is State.INTERRUPTED)


def test_null_is_as_many_runs_as_the_cores_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(7)))
    assert settings(runs_at_once=None, threads_per_run=2).at_once() == 3
    assert settings(runs_at_once=None, threads_per_run=8).at_once() == 1
    assert settings(runs_at_once=5, threads_per_run=2).at_once() == 5
    assert settings(runs_at_once=None, threads_per_run=None).at_once() == 7


def test_on_gpus_it_is_runs_per_gpu_on_each_and_the_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(7)))
    shared = settings(runs_at_once=None, threads_per_run=None, runs_per_gpu=3)
    assert (shared.at_once(gpus=2), shared.threads(6), shared.threads(2), shared.threads(9)) == (6, 1, 3, 1)
    assert settings(runs_at_once=4, threads_per_run=None).at_once(gpus=2) == 4
    assert settings(threads_per_run=2).threads(7) == 2


def test_each_run_sees_the_gpu_with_the_fewest_runs(tmp_path: Path) -> None:
    jobs = make(tmp_path, *["gpu"] * 6)
    (tmp_path / "child.py").write_text("import os, sys, time; time.sleep(1); print(os.environ['CUDA_VISIBLE_DEVICES'])")
    configured = settings(runs_at_once=None, threads_per_run=1, runs_per_gpu=2)
    pooled = Pool(configured, Silent(), lambda _: [sys.executable, "-S", str(tmp_path / "child.py")], ["3", "5", "7"])
    assert pooled.run(jobs).runs_at_once == 6
    seen = sorted((job.directory / "console.txt").read_text().strip() for job in jobs)
    assert seen == ["3", "3", "5", "5", "7", "7"]


def test_gpus_are_those_that_cuda_may_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible() == []
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert visible() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-ab")
    assert visible() == ["2", "GPU-ab"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible() == []


@pytest.mark.parametrize("name", ["runs_at_once", "threads_per_run", "runs_per_gpu", "refresh_seconds", "line_seconds"])
@pytest.mark.parametrize("value", [0, -1])
def test_settings_out_of_range_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"hydra.launcher.{name} must be > 0, got {value}|{name} must be > 0"):
        settings(**{name: value})


def test_the_child_of_a_run_is_this_python_on_its_directory() -> None:
    assert train_command(Path("a b")) == [sys.executable, "-P", "-m", "redo_lab.commands.train", "--directory", "a b"]


def test_a_file_of_the_users_is_not_taken_for_one_of_pythons(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('imported')")
    done = subprocess.run(train_command(tmp_path / "no run"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "config.yaml" in done.stderr
    assert "imported" not in done.stderr


def say_finished(job: Job) -> None:
    status.write(job.directory, replace(blank(job), state=State.FINISHED, done=100))


def test_a_run_that_another_process_does_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status stays the owner's, it is started by nobody else, and its end is a good end of this sweep too."""
    monkeypatch.setattr(local, "LOOK_SECONDS", 0.05)
    held_job, free = make(tmp_path, "finish", "finish")
    working = replace(blank(held_job), state=State.RUNNING, done=40)
    status.write(held_job.directory, working)
    lease = acquire(held_job.directory, stale_seconds=1)

    class Owner(Silent):
        def ended(self, ended: Ended, board: Board) -> None:
            if ended.job is free:
                assert found(held_job) == working
                say_finished(held_job)
                lease.release()

    displayed = pool(tmp_path, runs_at_once=1)
    displayed.display = Owner()
    board = displayed.run([held_job, free])
    assert [(one.job, one.status.state) for one in board.ended] == [(free, State.FINISHED), (held_job, State.FINISHED)]
    assert (tmp_path / "events").read_text().split() == ["start", "end"]
    assert exit_code(board) == 0


def test_a_run_whose_owner_has_failed_it_is_not_done_again_by_who_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LOOK_SECONDS", 0.05)
    held_job, free = make(tmp_path, "finish", "finish")
    lease = acquire(held_job.directory, stale_seconds=1)

    class Owner(Silent):
        def ended(self, ended: Ended, board: Board) -> None:
            if ended.job is free:
                status.write(held_job.directory, replace(blank(held_job), state=State.FAILED, error="theirs"))
                lease.release()

    displayed = pool(tmp_path, runs_at_once=1)
    displayed.display = Owner()
    board = displayed.run([held_job, free])
    assert [one.status.error for one in board.ended] == [None, "theirs"]
    assert (tmp_path / "events").read_text().split() == ["start", "end"]


def test_a_child_that_lost_its_run_is_tried_again_not_failed(tmp_path: Path) -> None:
    [job] = make(tmp_path, "lost")
    assert exit_code(pool(tmp_path).run([job])) == 0
    assert found(job).state is State.FINISHED


def test_refused_twice_though_nobody_has_the_run_it_has_failed(tmp_path: Path) -> None:
    [job] = make(tmp_path, "refused")
    assert exit_code(pool(tmp_path).run([job])) == 1
    assert (found(job).state, (tmp_path / "events").read_text().split()) == (State.FAILED, ["refused"] * 2)


def test_who_may_still_live_elsewhere_keeps_its_status(tmp_path: Path) -> None:
    [job] = make(tmp_path, "crash")
    working = replace(blank(job), state=State.RUNNING, done=40)
    status.write(job.directory, working)
    own(job.directory, host="elsewhere")
    board = pool(tmp_path).run([job])
    assert found(job) == working
    assert [one.status.state for one in board.ended] == [State.FAILED]


def test_all_are_held_and_the_whole_says_so(tmp_path: Path) -> None:
    [job] = make(tmp_path, "finish")
    board = Board(1, waiting=deque([job]), held={job.directory: 0.0})
    assert overall(board) == "0/1 done · 1 waiting (1 of them for other processes)"
