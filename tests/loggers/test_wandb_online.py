"""W&B online: its own client against a stand-in for its server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redo_lab.types import Row
from tests.helpers.wandb_server import Server

ROWS = [Row(10 * i, i, {"train/loss": float(i), "train/q": -float(i)}) for i in range(1, 7)]
RUN_ID = "e.dqn-breakout-ab12"
ATTEMPT = """
import sys
from pathlib import Path
from tests.helpers.tracked import Tracked
from tests.loggers.test_wandb import start
from tests.loggers.test_wandb_online import ROWS
directory, first, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
logger = Tracked(directory, start("wandb", directory), kept=first)
for row in ROWS[first:]:
    logger.log([row])
    print(row.updates, flush=True)
    if how == "waits":
        sys.stdin.readline()
logger.finish("finished")
"""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def attempt(server: Server, directory: Path, first: int, how: str) -> subprocess.Popen[str]:
    """A process that logs ROWS[first:], in a session of its own."""
    unset = ("WANDB_MODE", "WANDB_SERVICE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "a" * 40}
    return subprocess.Popen(
        [sys.executable, "-c", ATTEMPT, str(directory), str(first), how],
        cwd=Path(__file__).parent.parent.parent,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def sent(server: Server) -> list[tuple[int, str, float]]:
    names = ("train/loss", "train/q")
    return [(row["updates"], name, row[name]) for row in server.rows(RUN_ID) for name in names if name in row]


WHOLE = [(row.updates, name, value) for row in ROWS for name, value in row.values.items()]


def test_a_run_sends_every_row(server: Server, tmp_path: Path) -> None:
    process = attempt(server, tmp_path, 0, "runs")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert sent(server) == WHOLE
    assert [row["_step"] for row in server.rows(RUN_ID)] == list(range(6))


@pytest.mark.parametrize("lost", [0, 2])
def test_a_killed_run_is_continued_without_a_gap_or_a_double(server: Server, tmp_path: Path, lost: int) -> None:
    """Four rows logged, the last `lost` of them not taken by the server; killed; continued from after the first row."""
    process = attempt(server, tmp_path, 0, "waits")
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(1, 5):
        assert process.stdout.readline().strip() == str(number), process.stderr
        if number == 4 - lost:
            wait_until(lambda: len(server.rows(RUN_ID)) == 4 - lost)
            server.stream_status = 503
        if number < 4:
            process.stdin.write("\n")
            process.stdin.flush()
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    server.stream_status = None
    assert len(server.rows(RUN_ID)) == 4 - lost

    again = attempt(server, tmp_path, 1, "runs")
    _, error = again.communicate(timeout=60)
    assert again.returncode == 0, error
    assert sent(server) == WHOLE
    assert [row["_step"] for row in server.rows(RUN_ID)] == list(range(6))
