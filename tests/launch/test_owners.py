"""Whom a parent leaves alone, and whom `cancel` signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redo_lab.cli import main
from redo_lab.launch.owners import held, why_no_signal, write_unheld
from redo_lab.runs import lease, status
from redo_lab.runs.owner import Owner, started_ticks
from redo_lab.runs.status import State
from tests.helpers.launched import make_run, own, slurm_says

HELD = """
import sys, time
from pathlib import Path
from redo_lab.runs.lease import acquire
acquire(Path(sys.argv[1]), stale_seconds=1)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", slurm_says(tmp_path / "bin"))
    return make_run(tmp_path, "a0", State.RUNNING)


@pytest.fixture
def process(run: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of redo_lab's that owns the run."""
    with subprocess.Popen([sys.executable, "-c", HELD, str(run)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def owner_of(directory: Path) -> Owner:
    owner = lease.owner_of(directory)
    assert owner is not None
    return owner


def say(directory: Path, **changed: Any) -> None:
    path = max(directory.glob("lease.*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_a_run_is_held_until_its_owner_is_known_not_to_live(run: Path, process: subprocess.Popen[str]) -> None:
    assert held(run) == owner_of(run)
    say(run, host="elsewhere")
    assert held(run) == owner_of(run)
    say(run, host=os.uname().nodename)
    process.kill()
    process.wait()
    assert held(run) is None


def test_a_parent_writes_no_status_of_a_held_run(run: Path, process: subprocess.Popen[str]) -> None:
    assert not write_unheld(run, status.blank(5, "epochs"))
    assert json.loads((run / "status.json").read_text())["state"] == "running"
    assert write_unheld(run, status.blank(5, "epochs"), except_pid=process.pid)
    assert json.loads((run / "status.json").read_text())["state"] == "pending"


def test_the_owner_is_signalled(run: Path, process: subprocess.Popen[str]) -> None:
    assert why_no_signal(owner_of(run)) is None
    assert main(["cancel", str(run)]) == 0
    assert process.wait(20) in (1, -signal.SIGINT)


@pytest.mark.parametrize(
    "lie",
    [{"pid": -1}, {"pid": 0}, {"pid": "1"}, {"pid": True}, {"pid": 1}, {"started": 1}, {"started": None}],
    ids=str,
)
def test_a_lease_that_lies_has_nobody_signalled(
    run: Path, process: subprocess.Popen[str], lie: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    signals: list[tuple[int, int]] = []
    ask = os.kill
    say(run, **lie)
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)) if number else ask(pid, 0))
        assert main(["cancel", str(run)]) == 0
    assert signals == []


def test_a_process_of_another_program_is_not_signalled(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        own(run, pid=stranger.pid, started=started_ticks(stranger.pid))
        assert main(["cancel", str(run)]) == 0
        assert stranger.poll() is None
        stranger.kill()
    assert f"process {stranger.pid} is no redo-lab by its command line" in capsys.readouterr().out


@pytest.mark.parametrize("plant", ["fifo", "deep", "list"])
def test_a_planted_lease_hangs_no_verb(run: Path, plant: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "lease.1.json"
    if plant == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("[" * 100_000 if plant == "deep" else "[]")
    assert held(run) is None
    assert main(["status", str(run)]) == 0
    assert "1 run: 1 running" in capsys.readouterr().out
