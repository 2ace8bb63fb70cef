"""What Slurm says of jobs, with scripts in its place."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from redo_lab.launch import scheduler
from redo_lab.launch.scheduler import Job, ask, cancel, expanded, states

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a command with this body on PATH, which has nothing of Slurm otherwise; each call is noted in `calls`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def put(name: str, body: str) -> None:
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{body}\n')
        path.chmod(0o755)

    for name in ("squeue", "sacct", "scancel"):
        put(name, "exit 127")
    return put


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_one_squeue_answers_for_all_and_sacct_only_for_what_it_has_forgotten(tmp_path: Path, install: Install) -> None:
    install("squeue", "printf '12_1|RUNNING|None|n1\\n12_2|PENDING|Resources|\\n99|RUNNING|None|n2\\n'")
    install("sacct", "printf '11|COMPLETED|n3\\n12_1|FAILED|n9\\n13|FAILED|n4\\n'")
    assert ask(["12_1", "12_2", "11"]) == (
        {
            "12_1": Job("12_1", "RUNNING", "None", "n1"),
            "12_2": Job("12_2", "PENDING", "Resources", ""),
            "11": Job("11", "COMPLETED", "", "n3"),
        },
        True,
    )
    assert calls(tmp_path) == [
        "squeue --me -a -r -h -t all -o %i|%T|%r|%N",
        "sacct -X -n -P -o JobID,State,NodeList -j 11",
    ]


def test_sacct_is_not_asked_when_squeue_knows_all(tmp_path: Path, install: Install) -> None:
    install("squeue", "echo '5|RUNNING|None|n1'")
    assert states(["5"]).keys() == {"5"}
    assert len(calls(tmp_path)) == 1


def test_without_accounting_old_jobs_are_unknown_to_a_slurm_that_answered(install: Install) -> None:
    install("squeue", "echo '5|RUNNING|None|n1'")
    install("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    found = ask(["5", "4"])
    assert found.jobs.keys() == {"5"}
    assert found.complete


def test_a_squeue_that_fails_has_not_answered_even_if_sacct_has(install: Install) -> None:
    install("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    install("sacct", "echo '4|COMPLETED|n1'")
    found = ask(["4", "5"])
    assert found.jobs == {"4": Job("4", "COMPLETED", "", "n1")}
    assert not found.complete


def test_without_slurm_all_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask(["5"]) == ({}, False)


def test_nothing_asked_calls_nothing(tmp_path: Path, install: Install) -> None:
    assert states([]) == {}
    assert not (tmp_path / "calls").exists()


def test_a_slurm_that_hangs_is_given_up_with_a_warning(
    install: Install, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduler, "CALL_SECONDS", 0.2)
    install("squeue", "exec sleep 30")
    with caplog.at_level(logging.WARNING, "redo_lab"):
        assert ask(["5"]) == ({}, False)
    assert "squeue gave no answer within 0.2 s" in caplog.text


def test_states_of_sacct_are_one_word_and_arrays_are_taken_apart(install: Install) -> None:
    install("squeue", "exit 0")
    install("sacct", "printf '12_[3-5,7%%2]|PENDING|None assigned\\n14|CANCELLED by 0|n1\\n'")
    found = states(["12_3", "12_5", "12_7", "12_6", "14"])
    assert {job.id: job.state for job in found.values()} == {
        "12_3": "PENDING",
        "12_5": "PENDING",
        "12_7": "PENDING",
        "14": "CANCELLED",
    }
    assert found["12_3"].node == ""


def test_lines_that_are_no_rows_are_passed_over(install: Install) -> None:
    install("squeue", "printf 'Maintenance on Monday\\n5|RUNNING|None|n1\\n'")
    assert states(["5"]) == {"5": Job("5", "RUNNING", "None", "n1")}


@pytest.mark.parametrize(
    ("written", "jobs"),
    [
        ("12", ["12"]),
        ("12_3", ["12_3"]),
        ("12_[3-5,7%2]", ["12_3", "12_4", "12_5", "12_7"]),
        ("12_[0-6:3]", ["12_0", "12_3", "12_6"]),
        ("12_[4]", ["12_4"]),
    ],
)
def test_arrays_are_expanded(written: str, jobs: list[str]) -> None:
    assert expanded(written) == jobs


def test_no_state_both_waits_and_runs() -> None:
    assert not scheduler.WAITING & scheduler.RUNNING
    assert {"PENDING", "REQUEUED", "CONFIGURING", "REQUEUE_HOLD", "SPECIAL_EXIT"} <= scheduler.WAITING
    assert {"RUNNING", "COMPLETING", "SUSPENDED", "STAGE_OUT", "SIGNALING", "RESIZING"} <= scheduler.RUNNING
    assert not {"COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL"} & (scheduler.WAITING | scheduler.RUNNING)


@pytest.mark.parametrize(
    ("state", "reason", "held"),
    [
        ("PENDING", "JobHeldUser", True),
        ("PENDING", "JobHeldAdmin", True),
        ("PENDING", "JobHoldMaxRequeue", True),
        ("PENDING", "launch failed requeued held", True),
        ("PENDING", "launch_failed_requeued_held", True),
        ("REQUEUE_HOLD", "None", True),
        ("PENDING", "Priority", False),
        ("PENDING", "BeginTime", False),
        ("RUNNING", "None", False),
        ("CANCELLED", "JobHeldUser", False),
    ],
)
def test_a_held_job_is_one_that_waits_to_be_released(state: str, reason: str, held: bool) -> None:
    assert Job("7", state, reason, "").held == held
    assert scheduler.HELD < scheduler.WAITING


def test_jobs_are_cancelled_a_chunk_at_a_time(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("scancel", "exit 0")
    monkeypatch.setattr(scheduler, "CANCEL_AT_ONCE", 2)
    cancel(["1", "2_0", "2_1"])
    assert calls(tmp_path) == ["scancel 1 2_0", "scancel 2_1"]


def test_a_refusal_of_scancel_is_raised(install: Install) -> None:
    install("scancel", "echo 'Access denied' >&2; exit 1")
    with pytest.raises(subprocess.CalledProcessError) as raised:
        cancel(["1"])
    assert "Access denied" in raised.value.stderr
