"""A local pool and runs that another process has."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from redo_lab.launch import local
from redo_lab.launch.board import Board, Ended, Job
from redo_lab.launch.local import exit_code
from redo_lab.launch.table import overall
from redo_lab.runs import status
from redo_lab.runs.lease import acquire
from redo_lab.runs.status import State
from tests.helpers.launched import own
from tests.helpers.pools import Silent, blank, make, pool, status_of


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
                assert status_of(held_job) == working
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
    assert status_of(job).state is State.FINISHED


def test_refused_twice_though_nobody_has_the_run_it_has_failed(tmp_path: Path) -> None:
    [job] = make(tmp_path, "refused")
    assert exit_code(pool(tmp_path).run([job])) == 1
    assert (status_of(job).state, (tmp_path / "events").read_text().split()) == (State.FAILED, ["refused"] * 2)


def test_who_may_still_live_elsewhere_keeps_its_status(tmp_path: Path) -> None:
    [job] = make(tmp_path, "crash")
    working = replace(blank(job), state=State.RUNNING, done=40)
    status.write(job.directory, working)
    own(job.directory, host="elsewhere")
    board = pool(tmp_path).run([job])
    assert status_of(job) == working
    assert [one.status.state for one in board.ended] == [State.FAILED]


def test_all_are_held_and_the_whole_says_so(tmp_path: Path) -> None:
    [job] = make(tmp_path, "finish")
    board = Board(1, waiting=deque([job]), held={job.directory: 0.0})
    assert overall(board) == "0/1 done · 1 waiting (1 of them for other processes)"
