"""Whatever W&B does, training goes on: its own client against a stand-in for a server in trouble."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from redo_lab.config import build
from redo_lab.loggers.wandb import Wandb, tracker
from redo_lab.runs import wandb_files
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.manifest import Manifest
from redo_lab.types import Row
from tests.helpers.tracked import Tracked
from tests.helpers.wandb_server import Server, serving
from tests.loggers.test_wandb import KEY, RUN, node

ROWS = [Row(10 * i, i, {"train/loss": float(i), "train/q": -float(i)}) for i in range(1, 7)]
WHOLE = [(row.updates, name, value) for row in ROWS for name, value in row.values.items()]
RUN_ID = "e.x"
SECONDS = 60.0
"""timeout_seconds of these runs."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    yield from serving(monkeypatch, KEY)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    monkeypatch.setattr(logging.getLogger("redo_lab"), "propagate", True)
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def start(directory: Path, kept: int = 0, seconds: float = SECONDS) -> Tracked:
    logger = build(node("wandb") | {"timeout_seconds": seconds}, "logger", directory=directory, run=RUN, config_tree={})
    assert isinstance(logger, Wandb)
    return Tracked(directory, logger, kept)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def values(rows: Iterator[dict[str, float]]) -> list[tuple[int, str, float]]:
    names = ("train/loss", "train/q")
    return sorted((int(row["updates"]), name, row[name]) for row in rows for name in names if name in row)


def on_server(server: Server) -> list[tuple[int, str, float]]:
    return values(iter(server.rows(RUN_ID)))


def on_disk(directory: Path) -> list[tuple[int, str, float]]:
    return values(row for path in wandb_files.files(directory / "wandb") for row in wandb_files.history(path))


def under_way(directory: Path, caplog: pytest.LogCaptureFixture) -> Tracked:
    """An attempt that W&B has answered, after one that has sent the first two rows."""
    caplog.set_level(logging.INFO, "redo_lab")
    first = start(directory)
    first.log(ROWS[:2])
    first.finish("preempted")
    caplog.clear()
    with hasty():
        second = start(directory, kept=2)
    wait_until(lambda: any("W&B: http" in record.getMessage() for record in caplog.records))
    return second


@contextmanager
def hasty() -> Iterator[None]:
    """Gives W&B up after a few seconds, and leaves a busy machine time enough to keep what is unsent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker, "FIRST_WAIT", 0.06)
        patch.setattr(tracker, "SENDING", 0.03)
        yield


def trouble(server: Server, kind: str) -> None:
    if kind == "closed":
        server.close()
    elif kind == "hangs":
        server.hangs = True
    else:
        server.status = int(kind)


@pytest.mark.parametrize("kind", ["closed", "hangs", "401", "500", "503"])
def test_a_server_in_trouble_at_the_start_costs_one_warning_and_everything_is_kept(
    server: Server, warnings: Callable[[], list[str]], tmp_path: Path, kind: str
) -> None:
    trouble(server, kind)
    attempt = start(tmp_path)
    for row in ROWS:
        attempt.log([row])
    with hasty():
        attempt.finish("finished")
    assert len(warnings()) == 1
    assert "W&B" in warnings()[0]
    assert on_disk(tmp_path) == sorted(WHOLE)
    (folder,) = {path.parent.name for path in wandb_files.files(tmp_path / "wandb") if list(wandb_files.history(path))}
    assert folder.startswith("offline-run-")


@pytest.mark.parametrize("kind", ["hangs", "401", "503"])
def test_a_server_in_trouble_in_the_middle_costs_one_warning_and_everything_is_kept(
    server: Server, warnings: Callable[[], list[str]], caplog: pytest.LogCaptureFixture, tmp_path: Path, kind: str
) -> None:
    attempt = under_way(tmp_path, caplog)
    trouble(server, kind)
    attempt.log(ROWS[2:])
    with hasty():
        attempt.finish("finished")
    assert len(warnings()) == 1
    assert on_disk(tmp_path) == sorted(WHOLE)
    assert on_server(server) == sorted(WHOLE)[:4]


def test_what_a_run_could_not_send_is_sent_by_its_next_attempt(
    server: Server, warnings: Callable[[], list[str]], tmp_path: Path
) -> None:
    server.status = 503
    first = start(tmp_path)
    first.log(ROWS[:3])
    with hasty():
        first.finish("preempted")
    server.status = None
    second = start(tmp_path, kept=2)
    second.log(ROWS[2:])
    second.finish("finished")
    assert on_server(server) == sorted(WHOLE)
    assert len(warnings()) == 1
    assert not list(tmp_path.glob("wandb/offline-run-*/*.wandb")), "`wandb sync` would send its rows again"


def test_what_a_run_could_not_send_is_sent_once_by_wandb_sync(server: Server, tmp_path: Path) -> None:
    first = start(tmp_path)
    first.log(ROWS[:2])
    first.finish("preempted")
    server.status = 503
    second = start(tmp_path, kept=2)
    second.log(ROWS[2:4])
    with hasty():
        second.finish("preempted")
    server.status = None
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_MODE"}
    subprocess.run([sys.executable, "-m", "wandb", "sync", folder], env=environment, capture_output=True, check=True)
    assert on_server(server) == sorted(WHOLE)[:8]
    third = start(tmp_path, kept=3)
    third.log(ROWS[3:])
    third.finish("finished")
    assert on_server(server) == sorted(WHOLE)


def test_a_step_never_waits_for_a_server_that_hangs(server: Server, tmp_path: Path) -> None:
    server.hangs = True
    began = time.monotonic()
    attempt = start(tmp_path)
    waits = [time.monotonic() - began]
    for i in range(1, 2000):
        row = Row(i, i, {"train/loss": float(i)})
        attempt.record.append([row])
        began = time.thread_time()
        attempt.logger.log([row])
        waits.append(time.thread_time() - began)
    with hasty():
        attempt.finish("interrupted")
    assert max(waits[1:]) < 0.1
    assert waits[0] < 5.0
    assert sorted(row["updates"] for row in _rows(tmp_path)) == list(range(1, 2000))


def _rows(directory: Path) -> Iterator[dict[str, float]]:
    for path in wandb_files.files(directory / "wandb"):
        yield from wandb_files.history(path)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the processes in /proc")
@pytest.mark.parametrize("victim", ["wandb-core", "sender"])
def test_a_run_outlives_the_processes_of_wandb(
    server: Server, warnings: Callable[[], list[str]], caplog: pytest.LogCaptureFixture, tmp_path: Path, victim: str
) -> None:
    """Slurm sends SIGTERM to every process of a job, W&B's too; memory may run out."""
    attempt = under_way(tmp_path, caplog)
    os.kill(_process(victim), signal.SIGKILL)
    attempt.log(ROWS[2:])
    with hasty():
        attempt.finish("finished")
    assert len(warnings()) == 1
    assert on_disk(tmp_path) == sorted(WHOLE)


def _process(victim: str) -> int:
    """The newest process of that name below this one."""
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: -int(entry.name)):
        words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.exists() else [""]
        named = victim in words[0] or words[-2:-1] == [f"redo_lab.loggers.wandb.{victim}"]
        if named and _is_below(int(entry.name)):
            return int(entry.name)
    raise LookupError(victim)


def _is_below(pid: int) -> bool:
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


@pytest.mark.parametrize("kind", ["hangs", "503"])
def test_a_run_leaves_within_its_timeout(server: Server, tmp_path: Path, kind: str) -> None:
    trouble(server, kind)
    attempt = start(tmp_path, seconds=3.0)
    attempt.log(ROWS)
    began = time.monotonic()
    attempt.finish("finished")
    # Two seconds more: for a busy machine to end a process.
    assert time.monotonic() - began < 5.0


def test_ctrl_c_ends_the_wait_at_the_end(server: Server, warnings: Callable[[], list[str]], tmp_path: Path) -> None:
    server.hangs = True
    attempt = start(tmp_path, seconds=600.0)
    attempt.log(ROWS)
    handler = signal.getsignal(signal.SIGINT)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        began = time.monotonic()
        attempt.finish("finished")
        assert time.monotonic() - began < 60
    finally:
        signal.signal(signal.SIGALRM, before)
    assert signal.getsignal(signal.SIGINT) == handler
    assert len(warnings()) == 1


def with_checkpoint(directory: Path) -> Tracked:
    """An attempt that is to send its checkpoint."""
    own = node("wandb") | {"timeout_seconds": SECONDS, "artifacts": True}
    attempt = Tracked(directory, build(own, "logger", directory=directory, run=RUN, config_tree={}))
    (directory / "checkpoint").mkdir()
    manifest = Manifest(7, PartFile("7-0123456789ab.state", 7, "0" * 64), (), {})
    (directory / "checkpoint" / "7.json").write_bytes(manifest.encode())
    (directory / "checkpoint" / manifest.state.name).write_bytes(b"weights")
    return attempt


def test_the_last_checkpoint_is_uploaded(server: Server, warnings: Callable[[], list[str]], tmp_path: Path) -> None:
    attempt = with_checkpoint(tmp_path)
    attempt.log(ROWS)
    attempt.finish("finished")
    (artifact,) = server.artifacts.values()
    assert (artifact["artifactTypeName"], artifact["state"]) == ("checkpoint", "COMMITTED")
    assert set(artifact["files"]) == {"config.yaml", "run.json", "checkpoint/7.json", "checkpoint/7-0123456789ab.state"}
    assert on_server(server) == sorted(WHOLE)
    assert warnings() == []


def test_a_checkpoint_that_can_not_be_sent_costs_a_warning_and_no_number(
    server: Server, warnings: Callable[[], list[str]], tmp_path: Path
) -> None:
    attempt = with_checkpoint(tmp_path)
    (tmp_path / "checkpoint" / "7-0123456789ab.state").unlink()
    attempt.log(ROWS)
    attempt.finish("finished")
    assert on_server(server) == sorted(WHOLE)
    assert len(warnings()) == 1
    assert "the last checkpoint: not sent" in warnings()[0]
    assert server.artifacts == {}


def test_the_key_is_written_nowhere(server: Server, warnings: Callable[[], list[str]], tmp_path: Path) -> None:
    for status in (401, None):
        server.status = status
        attempt = start(tmp_path)
        attempt.log(ROWS)
        attempt.finish("finished")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert not any(KEY in warning for warning in warnings())
