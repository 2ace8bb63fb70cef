"""redo-lab cancel and retry, here and with Slurm, and what of a sweep's record they trust."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.commands import retry as retry_command
from redo_lab.launch import scheduler
from redo_lab.launch.child import Command
from redo_lab.launch.local import Pool
from redo_lab.launch.record import Sweep, SweepRun, sweeps_below
from redo_lab.runs.status import State
from tests.helpers.launched import make_run, record, slurm_says
from tests.helpers.verbs import make_three

pytestmark = pytest.mark.usefixtures("away")


def test_cancel_wants_to_be_told_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_three(tmp_path / "runs")
    with pytest.raises(SystemExit) as raised:
        main(["cancel"])
    assert raised.value.code == 2
    assert "RUNS" in capsys.readouterr().err


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
