"""redo-lab status, as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.runs.status import State
from tests.helpers.launched import make_run, own, record, set_status, slurm_says
from tests.helpers.verbs import make_three

pytestmark = pytest.mark.usefixtures("away")


def test_status_shows_those_first_that_need_a_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_three(tmp_path / "runs")
    assert main(["status"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert " ".join(lines[0]) == "3 runs: 1 running, 1 failed, 1 finished"
    assert lines[1] == ["state", "run", "done", "steps/s", "ETA", "return", "dormant", "%", "try"]
    name = ["dqn", "pong", "rr1", "redo"]
    assert lines[2] == ["running", *name, "s0", "50", "%", "10", "50s", "3", "–", "0"]
    assert lines[3][0] == "failed"
    assert lines[4] == ["finished", *name, "s2", "100", "%", "–", "–", "–", "12.3", "2"]


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_status_fits_its_terminal_and_gives_the_room_to_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    make_three(tmp_path / "runs")
    make_run(tmp_path / "runs" / "exp", "space_invaders0", State.FINISHED)
    (run,) = (tmp_path / "runs").rglob("space_invaders0/run.json")
    long = {**json.loads(run.read_text()), "name": "dqn space_invaders rr0.25 redo_scheduled s0", "experiment": "two"}
    run.write_text(json.dumps(long))
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["status"]) == 0
    count, head, *rows = capsys.readouterr().out.splitlines()
    assert max(map(len, (count, head, *rows))) <= columns
    assert head.split()[:4] == ["state", "experiment", "run", "done"]
    assert ("return" in head) == (columns > 60)
    assert ("steps/s" in head) == (columns > 80)
    assert "job" not in head
    assert rows[-1].startswith("no room for ") == (columns <= 80)
    assert any("dqn space_invaders rr0.25 redo_scheduled s0" in row for row in rows) == (columns > 80)


def test_status_names_the_command_that_releases_held_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "runs"
    for name, state in (("a0", None), ("b1", State.PREEMPTED), ("c2", None), ("d3", State.PENDING), ("e4", None)):
        make_run(root, name, state)
    record(root, {"7_0": ["a0"], "7_1": ["b1"], "7_2": ["c2"], "7_3": ["d3", "e4"]})
    queue = ("7_0|PENDING|Priority|", "7_1|PENDING|launch failed requeued held|", "7_2|PENDING|JobHeldAdmin|")
    says = slurm_says(tmp_path / "bin", squeue="\n".join([*queue, "7_3|PENDING|JobHeldUser|"]))
    monkeypatch.setenv("PATH", says)
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "5 runs: 4 held, 1 pending"
    assert [line.split()[0] for line in lines[2:7]] == ["held", "held", "held", "held", "pending"]
    assert [line.strip() for line in lines[7:]] == [
        "held by Slurm; this lets them go on: scontrol release 7_1,7_3",
        "held by an administrator of Slurm, who alone can release it: 7_2",
    ]
    assert main(["cancel", "exp", "--filter", "d3"]) == 0
    assert (tmp_path / "bin" / "calls").read_text().splitlines()[-1] == "scancel 7_3"
    assert json.loads((root / "exp" / "d3" / "status.json").read_text())["state"] == "interrupted"


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


def test_a_name_like_markup_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.FINISHED, headline={"[/x]": 1.0}, host="[/y]")
    run = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps({**run, "name": "[/x] \x1b[2J"}))
    assert main(["status"]) == 0
    assert "finished  [/x] �[2J" in capsys.readouterr().out


def test_a_run_that_takes_no_step_says_for_how_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.RUNNING, stepped=time.time() - 3605, phase="evaluation")
    own(directory)
    assert main(["status"]) == 0
    assert "running (evaluation), no step for 1h00m" in capsys.readouterr().out


def test_what_waited_for_a_pool_that_was_killed_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    make_run(tmp_path / "runs", "a0", State.PENDING, pid=gone.pid)
    make_run(tmp_path / "runs", "b0", State.PENDING, pid=os.getpid())
    make_run(tmp_path / "runs", "c0", State.PENDING, pid=gone.pid, host="elsewhere")
    assert main(["status", "--json"]) == 0
    states = {run["run_id"]: run["state"] for run in json.loads(capsys.readouterr().out)["runs"]}
    assert states == {"a0": "lost", "b0": "pending", "c0": "pending"}
