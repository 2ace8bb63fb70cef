"""redo-lab status, wait, cancel, retry, logs and errors, as a user calls them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.commands import logs as logs_command
from redo_lab.commands import retry as retry_command
from redo_lab.launch.child import Command
from redo_lab.launch.local import Pool
from redo_lab.launch.record import Sweep, SweepRun, sweeps_below
from redo_lab.runs.status import State
from tests.helpers.launched import make_run, own, record, set_status, slurm_says

TRACEBACK = """warning: at 0x7f00
Traceback (most recent call last):
  File "loop.py", line {line}, in run
ValueError: {words}"""


@pytest.fixture(autouse=True)
def _away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without runs and a Slurm that knows no job."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", slurm_says(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)


def make_three(root: Path) -> None:
    own(make_run(root, "a0", State.RUNNING, done=500, rate_per_s=10.0, headline={"return": 3.0}))
    make_run(root, "a1", State.FAILED, error=TRACEBACK.format(line=1, words="bad"))
    make_run(root, "b2", State.FINISHED, done=1000, headline={"dormant %": 12.345}, attempt=2)


def test_status_shows_those_first_that_need_a_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_three(tmp_path / "runs")
    assert main(["status"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert " ".join(lines[0]) == "3 runs: 1 running, 1 failed, 1 finished"
    assert lines[1] == ["state", "run", "done", "steps/s", "ETA", "return", "dormant", "%", "try", "node", "job"]
    name = ["dqn", "pong", "rr1", "redo"]
    assert lines[2] == ["running", *name, "s0", "50", "%", "10", "50s", "3", "–", "0", "–", "–"]
    assert lines[3][0] == "failed"
    assert lines[4] == ["finished", *name, "s2", "100", "%", "–", "–", "–", "12.3", "2", "–", "–"]


def test_status_as_json_of_the_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_three(tmp_path / "runs")
    assert main(["status", "exp", "--json", "--state", "failed", "finished", "--filter", "b"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"finished": 1}
    assert [(run["run_id"], run["state"], run["attempt"]) for run in found["runs"]] == [("b2", "finished", 2)]


def test_status_watches_until_all_have_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.RUNNING)
    own(directory)
    threading.Timer(0.4, set_status, [directory], {"state": "finished"}).start()
    begun = time.monotonic()
    assert main(["status", "--watch", "0.1"]) == 0
    assert time.monotonic() - begun > 0.3
    assert "1 run: 1 finished" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["status", "wait", "cancel", "retry", "errors"])
def test_no_such_runs_is_a_mistake(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "nowhere"]) == 2
    assert f"redo-lab {verb}: nowhere: no such directory" in capsys.readouterr().err


def test_cancel_wants_to_be_told_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_three(tmp_path / "runs")
    with pytest.raises(SystemExit) as raised:
        main(["cancel"])
    assert raised.value.code == 2
    assert "RUNS" in capsys.readouterr().err


@pytest.mark.parametrize(("end", "code"), [("finished", 0), ("failed", 1), ("preempted", 1)])
def test_wait_says_how_it_ended(tmp_path: Path, end: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.RUNNING)
    own(directory)
    threading.Timer(0.3, set_status, [directory], {"state": end}).start()
    assert main(["wait", "--every", "0.1"]) == code
    assert capsys.readouterr().out.split() == ["1", "running", "1", end]


def test_cancel_ends_jobs_and_names_the_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "runs"
    for name in ("a0", "a1", "b0"):
        make_run(root, name, State.PENDING)
    record(root, {"7_0": ["a0", "b0"], "7_1": ["a1"]})
    monkeypatch.setenv("PATH", slurm_says(tmp_path / "bin", squeue="7_0|PENDING|None|\n7_1|PENDING|None|"))
    assert main(["cancel", "exp", "--filter", "a0"]) == 0
    assert (tmp_path / "bin" / "calls").read_text().splitlines()[-1] == "scancel 7_0"
    assert capsys.readouterr().out.splitlines() == [
        "cancelling 1 job: 7_0",
        "a0: in job 7_0",
        "b0: not asked for, but in the same job",
    ]
    monkeypatch.setenv("PATH", slurm_says(tmp_path / "bin", squeue="7_1|PENDING|None|"))
    assert main(["status", "--json"]) == 0
    states = {run["run_id"]: run["state"] for run in json.loads(capsys.readouterr().out)["runs"]}
    assert states == {"a0": "interrupted", "a1": "pending", "b0": "lost"}


def test_a_refusal_of_slurm_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "runs", "a0", State.PENDING)
    record(tmp_path / "runs", {"7": ["a0"]})
    monkeypatch.setenv("PATH", slurm_says(tmp_path / "bin", squeue="7|PENDING|None|"))
    (tmp_path / "bin" / "scancel").write_text("#!/bin/sh\necho Access denied >&2\nexit 1\n")
    assert main(["cancel", "exp"]) == 1
    assert "scancel: Access denied" in capsys.readouterr().out


def test_cancel_interrupts_a_process_of_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = f"""
import sys, time
from tests.helpers.launched import own
from pathlib import Path
own(Path({str(tmp_path / "runs" / "exp" / "a0")!r}))
print("ready", flush=True)
time.sleep(60)
"""
    make_run(tmp_path / "runs", "a0", State.RUNNING)
    here = Path(__file__).parent.parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert main(["cancel", "exp"]) == 0
        assert process.wait(10) == -signal.SIGINT or process.returncode == 1
    assert f"a0: asked process {process.pid} to save and stop" in capsys.readouterr().out


def test_cancel_of_what_has_ended_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "runs", "a0", State.FINISHED)
    assert main(["cancel", "exp"]) == 0
    assert "nothing of these runs waits or runs" in capsys.readouterr().out


def test_retry_submits_what_failed_and_what_is_lost_and_forgives_their_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "runs"
    for name, state in (("a0", State.FAILED), ("b0", State.PENDING), ("c0", State.FINISHED), ("d0", State.PREEMPTED)):
        (make_run(root, name, state) / "crashes.json").write_text('{"crashes": 3}')
    sweep = record(root, {"7": ["a0", "b0"], "8": ["c0", "d0"]}, time=5)
    submitted: list[tuple[list[SweepRun], dict[str, object]]] = []

    def resubmit(runs: list[SweepRun], settings: dict[str, object]) -> Sweep:
        submitted.append((runs, settings))
        return sweep

    monkeypatch.setattr("redo_lab.launch.slurm.resubmit", resubmit)
    assert main(["retry", "exp"]) == 0
    assert [([run.run_id for run in runs], settings) for runs, settings in submitted] == [(["a0", "b0"], {"time": 5})]
    left = sorted(path.parent.name for path in root.rglob("crashes.json"))
    assert left == ["c0", "d0"]
    assert len(sweeps_below([root])) == 1


def test_retry_does_runs_without_a_job_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "runs", "a0", State.FAILED)
    make_run(tmp_path / "runs", "b0", State.FINISHED)
    script = "import sys; from pathlib import Path; from tests.helpers.launched import set_status; "
    script += "set_status(Path(sys.argv[1]), state='finished')"
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
    command: Command = lambda directory: [sys.executable, "-c", script, str(directory)]  # noqa: E731
    monkeypatch.setattr(Pool.__init__, "__defaults__", (command, ()))
    assert main(["retry"]) == 0
    assert json.loads((tmp_path / "runs" / "exp" / "a0" / "status.json").read_text())["state"] == "finished"
    assert "1 run" in capsys.readouterr().out


def test_retry_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path / "runs", "a0", State.PREEMPTED)
    assert main(["retry"]) == 0
    assert capsys.readouterr().out == "no run has failed or is lost\n"
    assert retry_command.main(["exp"]) == 0


def test_errors_are_grouped_by_their_tracebacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "runs"
    make_run(root, "a0", State.FAILED, error="other")
    for number in range(1, 4):
        error = TRACEBACK.format(line=7, words=f"a{number}: return 1.{number}e3 is no good")
        make_run(root, f"a{number}", State.FAILED, error=error)
    make_run(root, "b4", State.PENDING)
    record(root, {"9": ["b4"]})
    assert main(["errors"]) == 0
    out = capsys.readouterr().out
    heads = re.findall(r"^(\d+) runs?, first \S+/(\w+):$", out, re.MULTILINE)
    assert heads == [("3", "a1"), ("1", "a0"), ("1", "b4")]
    assert "ValueError: a1: return 1.1e3 is no good" in out
    assert "a2" not in out
    assert "lost: its process is gone" in out


def test_logs_prints_the_end_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.FINISHED)
    make_run(tmp_path / "runs", "a1", State.FINISHED)
    (directory / "log.txt").write_text("one\ntwo\nthree\n")
    assert main(["logs", "a0", "-n", "2"]) == 0
    assert capsys.readouterr().out == "two\nthree\n"
    assert main(["logs", "a"]) == 2
    assert "a0" in capsys.readouterr().err
    assert main(["logs", "a1"]) == 0
    assert "has said nothing yet" in capsys.readouterr().err


def test_logs_falls_back_on_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.FAILED)
    (directory / "log.txt").write_text("")
    (directory / "console.txt").write_text("ImportError\n")
    assert main(["logs", str(directory)]) == 0
    assert capsys.readouterr().out == "ImportError\n"


def test_logs_follows_until_the_run_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs_command, "FOLLOW_SECONDS", 0.05)
    monkeypatch.setattr(logs_command, "STATE_SECONDS", 0.1)
    directory = make_run(tmp_path / "runs", "a0", State.RUNNING)
    own(directory)
    (directory / "log.txt").write_text("begun\n")

    def go_on() -> None:
        with (directory / "log.txt").open("a") as log:
            log.write("done\n")
        set_status(directory, state="finished")

    threading.Timer(0.4, go_on).start()
    assert main(["logs", "a0", "-f"]) == 0
    assert capsys.readouterr().out == "begun\ndone\n"
