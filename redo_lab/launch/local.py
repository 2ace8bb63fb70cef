"""The runs of a sweep on this machine: one child process each, a bounded number at a time."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Protocol

from redo_lab.config import require
from redo_lab.launch.board import Board, Ended, Job, Running
from redo_lab.runs import status
from redo_lab.runs.status import State, Status

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
CONSOLE_NAME = "console.txt"
ENDS = (State.FINISHED, State.FAILED, State.INTERRUPTED, State.PREEMPTED)
TAIL_BYTES = 4000
POLL_SECONDS = 0.05
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

Command = Callable[[Path], Sequence[str]]
"""A run's directory → the command line of the process that does it."""


def train_command(directory: Path) -> list[str]:
    """What does the run in `directory` in a process of its own."""
    return [sys.executable, "-m", "redo_lab.train", "--directory", str(directory)]


class Display(Protocol):
    """What a pool tells while it works."""

    def started(self, running: Running) -> None: ...
    def ended(self, ended: Ended, board: Board) -> None: ...
    def show(self, board: Board) -> None: ...


class Pool:
    """Does jobs in child processes. A run that fails stops no other; Ctrl-C or SIGTERM ends them all cleanly."""

    @dataclass
    class Config:
        """`runs_at_once` null: as many as the cores carry, `threads_per_run` each."""

        runs_at_once: int | None
        threads_per_run: int
        refresh_seconds: float
        line_seconds: float

        def __post_init__(self) -> None:
            for name in ("runs_at_once", "threads_per_run", "refresh_seconds", "line_seconds"):
                value = getattr(self, name)
                require(value is None or value > 0, f"{name} must be > 0, got {value}")

        def at_once(self) -> int:
            """How many runs go at the same time."""
            return self.runs_at_once or max(1, len(os.sched_getaffinity(0)) // self.threads_per_run)

    def __init__(self, config: Pool.Config, display: Display, command: Command = train_command) -> None:
        self.config = config
        self.display = display
        self.command = command
        self._children: list[_Child] = []
        self._signals = 0

    def run(self, jobs: Sequence[Job], finished_before: int = 0) -> Board:
        """Every job has ended, or a signal came and those under way have ended; failed ones say why in status.json."""
        for job in jobs:
            write_pending(job)
        board = Board(self.config.at_once(), finished_before, deque(jobs))
        with self._catching_signals():
            try:
                self._work(board)
            finally:
                for child in self._children:
                    child.kill()
        return board

    def _work(self, board: Board) -> None:
        shown = float("-inf")
        while board.running or (board.waiting and not board.stopping):
            self._obey_signals(board)
            self._start(board)
            self._reap(board)
            if time.monotonic() - shown >= self.config.refresh_seconds:
                for running in board.running:
                    running.status = _read(running.job.directory)
                self.display.show(board)
                shown = time.monotonic()
            time.sleep(POLL_SECONDS)
        self.display.show(board)

    def _start(self, board: Board) -> None:
        while board.waiting and not board.stopping and len(board.running) < board.runs_at_once:
            job = board.waiting.popleft()
            child = _Child(job, self.command(job.directory), self.config.threads_per_run)
            self._children.append(child)
            board.running.append(child.running)
            self.display.started(child.running)

    def _reap(self, board: Board) -> None:
        for child in [child for child in self._children if child.process.poll() is not None]:
            self._children.remove(child)
            board.running.remove(child.running)
            seconds = time.monotonic() - child.running.started
            board.ended.append(Ended(child.running.job, child.final_status(board.stopping), seconds))
            self.display.ended(board.ended[-1], board)

    def _obey_signals(self, board: Board) -> None:
        if self._signals and not board.stopping:
            board.stopping = True
            for child in self._children:
                child.process.send_signal(signal.SIGINT)
        if self._signals > 1:
            for child in self._children:
                child.kill()

    @contextmanager
    def _catching_signals(self) -> Iterator[None]:
        def note(_number: int, _frame: FrameType | None) -> None:
            self._signals += 1

        caught = [signal.SIGINT, signal.SIGTERM]
        # Under nohup a hang-up is ignored, and the sweep goes on.
        caught += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
        before = {number: signal.signal(number, note) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Child:
    """One run in a session of its own, out of reach of the terminal's Ctrl-C: the pool alone passes that on."""

    def __init__(self, job: Job, command: Sequence[str], threads: int) -> None:
        self.running = Running(job)
        self.console = job.directory / CONSOLE_NAME
        limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        with self.console.open("ab") as console:
            self.console_start = console.tell()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, **limits},
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def kill(self) -> None:
        """The process and those it started are gone."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def final_status(self, stopping: bool) -> Status:
        """How the run ended by its own word; where it left none, `status.json` now holds ours."""
        found = _read(self.running.job.directory) or _blank(self.running.job)
        if found.state in ENDS:
            return found
        ours = replace(
            found,
            state=State.INTERRUPTED if stopping else State.FAILED,
            error=None if stopping else self._cause(),
            heartbeat=time.time(),
            attempt=found.attempt + (found.state is State.PENDING),
        )
        status.write(self.running.job.directory, ours)
        return ours

    def _cause(self) -> str:
        """The end of what the run said this time, and what is known besides; the last line is the telling one."""
        with self.console.open("rb") as console:
            size = console.seek(0, os.SEEK_END)
            console.seek(max(self.console_start, size - TAIL_BYTES))
            tail = console.read().decode(errors="replace").strip()
        code = self.process.returncode
        if code < 0:
            guess = " (out of memory?)" if code == -signal.SIGKILL else ""
            return f"{tail}\nkilled by {signal.Signals(-code).name}{guess}".lstrip()
        return f"ended with exit code {code} and no word on how\n{tail}".rstrip()


def _end_with_parent() -> None:
    """If the pool is killed outright, its runs get SIGINT: a new sweep would start them a second time."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def write_pending(job: Job) -> None:
    """`status.json` says that the run waits; the count of attempts goes on."""
    status.write(job.directory, _blank(job, attempt=found.attempt if (found := _read(job.directory)) else 0))


def _read(directory: Path) -> Status | None:
    try:
        return status.read(directory)
    except ValueError:
        return None


def _blank(job: Job, attempt: int = 0) -> Status:
    """Of a run that no process works on."""
    return Status(
        state=State.PENDING,
        env_steps=0,
        total_env_steps=job.env_steps,
        updates=0,
        episodes=0,
        rate_env_steps_per_s=None,
        heartbeat=time.time(),
        attempt=attempt,
        error=None,
        last_return=None,
        dormant_percent=None,
        host=socket.gethostname(),
        pid=None,
    )


def exit_code(board: Board) -> int:
    """0: all finished; 1: some failed; 130: stopped by a signal."""
    if board.stopping:
        return EXIT_INTERRUPTED
    return 0 if all(ended.status.state is State.FINISHED for ended in board.ended) else EXIT_FAILED
