"""What is shown of a sweep, rendered to text."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from redo_lab.launch.board import Board, Ended, Job, Running
from redo_lab.launch.names import short_names
from redo_lab.launch.table import Lines, duration, overall, render, shortened, summary
from redo_lab.runs.status import State, Status

BLANK = Status(
    state=State.PENDING,
    done=0,
    total=1000,
    unit="agent steps",
    phase=None,
    rate_per_s=None,
    headline={},
    updates=1,
    heartbeat=0.0,
    stepped=None,
    attempt=1,
    error=None,
    host="here",
    pid=1,
)


def job(name: str, total: int = 1000) -> Job:
    return Job(name, Path("runs") / name.replace(" ", "-"), total, "agent steps")


def running(name: str, done: int, rate: float | None) -> Running:
    at = replace(BLANK, state=State.RUNNING, done=done, rate_per_s=rate)
    return Running(job(name), 0.0, replace(at, headline={"return": 12.5, "dormant %": 7.25}))


def ended(name: str, state: State, seconds: float = 20.0, error: str | None = None) -> Ended:
    return Ended(job(name), replace(BLANK, state=state, done=1000, headline={"return": 4.0}, error=error), seconds)


def text(board: Board, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, no_color=True, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(render(board, width, height))
    console.file.close()
    return console.export_text().splitlines()


def line_of(lines: list[str], name: str) -> list[str]:
    [line] = [line for line in lines if name in line]
    return line.split()


def test_the_pace_of_a_warm_up_is_not_that_of_the_run() -> None:
    one = running("a s0", 100, 40.0)
    assert one.status is not None
    assert one.rate_per_s == 40.0
    one.status.updates = 0
    assert one.rate_per_s is None
    assert Board(1, running=[one]).eta_seconds() is None


def test_a_running_line_tells_steps_rate_eta_return_and_dormancy() -> None:
    words = line_of(text(Board(1, running=[running("redo s1", 500, 50.0)])), "redo s1")
    assert words[:2] == ["redo", "s1"]
    assert words[-5:] == ["500/1000", "50", "10s", "12.5", "7.2"]


def test_a_run_that_has_only_begun_has_no_eta() -> None:
    words = line_of(text(Board(1, running=[running("redo s1", 1, 0.2)])), "redo s1")
    assert words[-5:] == ["1/1000", "–", "?", "12.5", "7.2"]


@pytest.mark.parametrize(
    ("state", "error", "mark", "said"),
    [
        (State.FINISHED, None, "✓", "finished in 20s"),
        (State.FAILED, "Traceback\nValueError: bad", "✗", "ValueError: bad"),
        (State.INTERRUPTED, None, "■", "interrupted in 20s"),
    ],
)
def test_an_ended_line_tells_how(state: State, error: str | None, mark: str, said: str) -> None:
    line = " ".join(line_of(text(Board(1, ended=[ended("redo s1", state, error=error)])), "redo s1"))
    assert line == f"{mark} redo s1 {said} 1000/1000 4"


def test_the_columns_are_those_that_the_runs_name_and_count_in() -> None:
    epochs = replace(BLANK, state=State.RUNNING, unit="epochs", done=50, total=100, headline={"accuracy": 0.25})
    supervised = Running(Job("[/x] s0", Path("a"), 100, "epochs"), 0.0, replace(epochs, rate_per_s=0.5))
    lines = text(Board(1, running=[supervised]))
    assert lines[0].split() == ["epochs", "epochs/s", "ETA", "accuracy"]
    assert line_of(lines, "[/x] s0")[-4:] == ["50/100", "0.5", "1m40s", "0.25"]
    both = Board(1, running=[supervised, running("redo", 500, 50.0)])
    assert text(both)[0].split() == ["done", "per", "s", "ETA", "accuracy", "return", "dormant", "%"]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 12), (200, 60), (72, 8)])
def test_hundreds_of_runs_fit_any_terminal(width: int, height: int) -> None:
    board = Board(
        64,
        finished_before=100,
        waiting=deque(job(f"waiting {i}") for i in range(400)),
        running=[running(f"demon_attack rr0.25 redo+l2_init s{i}", 500, 50.0) for i in range(64)],
        ended=[ended(f"demon_attack rr0.25 none s{i}", State.FINISHED) for i in range(116)],
    )
    lines = text(board, width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert lines[-1].startswith("216/680 done · 64 running · 400 waiting")
    assert "s115" in "".join(lines)
    shown = sum(" 500/1000 " in line for line in lines)
    assert f"… and {64 - shown} more running" in lines[-2]


def test_the_whole_is_told_in_one_line() -> None:
    board = Board(2, 1, deque([job("a"), job("b")]), [running("c", 500, 50.0), running("d", 500, 50.0)])
    board.ended = [ended("e", State.FAILED, error="x")]
    assert overall(board) == "1/6 done, 1 failed · 2 running · 2 waiting · ETA 30s"
    board.stopping = True
    assert overall(board) == "1/6 done, 1 failed · 2 running · 2 not started · stopping; Ctrl-C again kills"


def test_the_eta_of_all_counts_slots_and_the_pace_of_finished_runs() -> None:
    waiting = deque(job(f"w{i}") for i in range(3))
    board = Board(2, 0, waiting, [running("a", 500, 50.0)], [ended("b", State.FINISHED, seconds=40.0)])
    # Slots are free in 10 s and 0 s; three runs of 40 s each: 0-40, 10-50, 40-80.
    assert board.eta_seconds() == pytest.approx(80.0)
    assert Board(2, 0, waiting).eta_seconds() is None


def test_the_summary_counts_and_names_what_failed() -> None:
    board = Board(2, 3, deque([job("w")]))
    board.ended = [
        ended("a", State.FINISHED),
        ended("b c", State.FAILED, error="Traceback\n  x\nValueError: bad\n"),
        ended("d", State.INTERRUPTED),
    ]
    assert summary(board).splitlines() == [
        "7 runs: 1 finished, 3 finished before, 1 failed, 1 interrupted, 1 not started",
        "  runs/b-c: ValueError: bad",
    ]


def test_of_many_failures_the_first_are_listed() -> None:
    lines = summary(Board(1, ended=[ended(f"r{i}", State.FAILED, error="x") for i in range(30)])).splitlines()
    assert lines[0] == "30 runs: 30 failed"
    assert lines[-1] == "  … and 10 more failed"
    assert len(lines) == 22


def test_without_a_terminal_starts_ends_and_at_intervals_the_whole_are_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("redo_lab.launch.table.time.monotonic", lambda: now)
    lines = Lines(30)
    board = Board(1, 1, deque(), [running("a b", 500, 50.0)], [ended("c", State.FAILED, error="x\nOSError: full")])
    lines.started(board.running[0])
    lines.ended(board.ended[0], board)
    now = 129.0
    lines.show(board)
    now = 131.0
    lines.show(board)
    lines.show(board)
    assert capsys.readouterr().err.splitlines() == [
        "started a b: runs/a-b",
        "[2/3] c failed after 20s, return 4: OSError: full",
        "1/3 done, 1 failed · 1 running · ETA 10s",
    ]


def test_names_are_made_of_what_varies() -> None:
    jobs = [
        [f"recycler={recycler}", f"seed={seed}", f"env={env}", f"replay_ratio='{ratio}'", "root=x"]
        for env in ("minatar/breakout", "minatar/asterix")
        for recycler in ("none", "[redo,l2_init]")
        for seed in (0, 1)
        for ratio in (0.5, 1)
    ]
    assert short_names(jobs)[:2] == ["none s0 breakout rr0.5", "none s0 breakout rr1"]
    assert short_names(jobs)[-1] == "redo+l2_init s1 asterix rr1"
    assert short_names([["a.b.rate=1", "+c=2"], ["a.b.rate=3", "+c=2"]]) == ["rate=1", "rate=3"]


def test_names_that_would_collide_are_spelt_out() -> None:
    jobs = [["env=atari/breakout", "seed=0"], ["env=minatar/breakout", "seed=1"], ["env=minatar/asterix", "seed=0"]]
    assert short_names(jobs) == ["atari/breakout s0", "minatar/breakout s1", "asterix s0"]
    assert short_names([["a.rate=1"], ["b.rate=1"]]) == ["a.rate=1", "b.rate=1"]


def test_a_long_name_keeps_both_ends() -> None:
    assert shortened("demon_attack redo s12", 11) == "demon…o s12"
    assert shortened("redo s12", 11) == "redo s12"


@pytest.mark.parametrize(
    ("seconds", "said"), [(7.6, "8s"), (59.9, "1m00s"), (125, "2m05s"), (10_920, "3h02m"), (273_600, "3d04h")]
)
def test_durations_read_well(seconds: float, said: str) -> None:
    assert duration(seconds) == said
