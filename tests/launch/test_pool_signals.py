"""A local pool that is interrupted or killed, with small scripts in place of training runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redo_lab.runs.status import State
from tests.helpers.pools import make, state_of, status_of, wait_until

DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.helpers.pools import jobs_in, pool
from redo_lab.launch.local import exit_code
board = pool(Path(sys.argv[1]), runs_at_once=2).run(jobs_in(Path(sys.argv[1])))
sys.exit(exit_code(board))
"""


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
    assert status_of(jobs[0]).state is State.INTERRUPTED
    assert status_of(jobs[0]).error is None


def test_runs_end_when_their_pool_is_killed(tmp_path: Path, driver: Callable[[], subprocess.Popen[bytes]]) -> None:
    [job] = make(tmp_path, "wait")
    process = driver()
    wait_until(lambda: state_of(job) is State.RUNNING)
    process.kill()
    wait_until(lambda: state_of(job) is State.INTERRUPTED)
