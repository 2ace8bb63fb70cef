"""redo-lab status, wait, cancel, retry, logs and errors, as a user calls them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.commands import logs as logs_command
from redo_lab.commands import retry as retry_command
from redo_lab.launch import scheduler
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
        "b0: not chosen, but in the same job",
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


@pytest.mark.parametrize("job", ["--user=root", "7,8", "7 8", "0x7", "7_", ""])
def test_what_is_no_job_of_slurms_never_reaches_scancel(tmp_path: Path, job: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a Slurm job"):
        scheduler.cancel(["7", job])
    assert not (tmp_path / "bin" / "calls").exists()


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
    assert capsys.readouterr().out == (
        "no run has failed or is lost; 1 stopped: the same sweep again, or --state interrupted preempted, goes on with "
        "them\n"
    )
    assert retry_command.main(["exp", "--state", "lost"]) == 0
    assert capsys.readouterr().out == "no run is lost\n"


@pytest.mark.parametrize("settings", [{"setup": ["rm -r /"]}, {"sbatch": {"wrap": "rm -r /"}}], ids=["setup", "sbatch"])
def test_shell_lines_of_a_record_from_elsewhere_need_a_word_of_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: dict[str, object]
) -> None:
    """They came with somebody's runs: the record is not where it was written."""
    theirs = tmp_path / "theirs"
    make_run(theirs, "a0", State.FAILED)
    record(theirs, {"7": ["a0"]}, **settings)
    theirs.rename(tmp_path / "runs")
    (path,) = (tmp_path / "runs" / "exp" / "sweeps").iterdir()
    path.write_text(path.read_text().replace(str(theirs / "exp" / "a0"), str(theirs / ".." / "runs" / "exp" / "a0")))
    theirs.mkdir()
    submitted: list[object] = []
    monkeypatch.setattr("redo_lab.launch.slurm.resubmit", lambda runs, settings: submitted.append(settings))
    (tmp_path / "runs" / "exp" / "a0" / "crashes.json").write_text("{}")
    monkeypatch.setattr("redo_lab.launch.record.os.geteuid", lambda: os.getuid() + 1)
    assert main(["retry"]) == 2
    assert "rm -r /" in capsys.readouterr().err
    assert submitted == []
    assert (tmp_path / "runs" / "exp" / "a0" / "crashes.json").exists()
    assert main(["retry", "--trust"]) == 0
    assert submitted == [settings]


def test_a_record_is_ours_only_where_we_wrote_it(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "a0", State.FAILED)
    record(tmp_path / "runs", {"7": ["a0"]})
    (sweep,) = sweeps_below([tmp_path / "runs"])
    assert sweep.ours
    (tmp_path / "runs").rename(tmp_path / "moved")
    (sweep,) = sweeps_below([tmp_path / "moved"])
    assert not sweep.ours


def damage(directory: Path, name: str, how: str) -> None:
    path = directory / name
    path.unlink(missing_ok=True)
    if how == "fifo":
        os.mkfifo(path)
    elif how == "large":
        with path.open("wb") as file:
            file.truncate(20 * 2**30)
    else:
        path.write_text("[" * 100_000 if how == "deep" else how)


@pytest.mark.parametrize("verb", ["status", "wait", "errors", "retry", "cancel"])
@pytest.mark.parametrize("how", ["", "[]", "deep", "fifo", "large"], ids=["empty", "list", "deep", "fifo", "large"])
@pytest.mark.parametrize("name", ["run.json", "status.json", "lease.1.json", "../sweeps/x.json"])
def test_one_bad_file_is_named_and_stops_no_verb(
    tmp_path: Path, verb: str, how: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    directory = make_run(tmp_path / "runs", "bad0", State.FINISHED)
    make_run(tmp_path / "runs", "good1", State.FINISHED)
    (directory.parent / "sweeps").mkdir()
    damage(directory, name, how)
    words = [verb, str(tmp_path / "runs")] + (["--filter", "good"] if verb == "wait" else [])
    assert main(words) == 0
    assert name == "lease.1.json" or Path(name).name in caplog.text


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
    assert "has written no log yet" in capsys.readouterr().err


@pytest.mark.parametrize("follow", [[], ["-f"]], ids=["once", "following"])
def test_logs_moves_no_cursor_unless_it_is_asked_for_the_raw_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], follow: list[str]
) -> None:
    directory = make_run(tmp_path / "runs", "a0", State.FINISHED)
    (directory / "log.txt").write_text("one\n\x1b]0;title\x07\x1b[2Jtwo\x9b\n")
    assert main(["logs", "a0", *follow]) == 0
    assert capsys.readouterr().out == "one\n�]0;title��[2Jtwo�\n"
    assert main(["logs", "a0", "--raw", "-n", "1", *follow]) == 0
    assert capsys.readouterr().out == "\x1b]0;title\x07\x1b[2Jtwo\x9b\n"


@pytest.mark.parametrize("words", [["errors"], ["cancel", "x\x1b[2J"], ["logs", "\x1b[2J"]], ids=lambda words: words[0])
def test_no_verb_passes_on_what_moves_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    make_run(tmp_path / "runs" / "\x1b[31m", "a0", State.FAILED, error="bad \x1b[31m luck")
    main(words)
    told = capsys.readouterr()
    assert "�[" in told.out + told.err
    assert "\x1b" not in told.out + told.err


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
