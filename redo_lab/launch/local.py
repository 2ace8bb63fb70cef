"""The runs of a sweep on this machine: one child process each, a bounded number at a time."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Protocol

from redo_lab.config import require
from redo_lab.launch.board import Board, Ended, Job, Running
from redo_lab.launch.child import Child, Command, train_command, write_not_started, write_pending
from redo_lab.launch.owners import held
from redo_lab.runs import status
from redo_lab.runs.owner import lives
from redo_lab.runs.status import State

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
AUTO = "auto"
POLL_SECONDS = 0.05
LOOK_SECONDS = 1.0
"""Between two looks at a run that another process of this machine works on."""
HELD_SECONDS = 30.0
"""Before a run is tried again that a process elsewhere works on."""


class Display(Protocol):
    """What a pool tells while it works."""

    def started(self, running: Running) -> None: ...
    def ended(self, ended: Ended, board: Board) -> None: ...
    def show(self, board: Board) -> None: ...


class Pool:
    """Does jobs in child processes. A run that fails stops no other; Ctrl-C or SIGTERM ends them all cleanly."""

    @dataclass
    class Config:
        """null: runs_at_once as many as cores or GPUs carry, threads_per_run a fair share of the cores, gpus all.

        runs_per_gpu: a number, or auto: the one that `make bench-gpu` measured, which `packed` puts in its place.
        """

        runs_at_once: int | None
        threads_per_run: int | None
        gpus: list[str] | None
        runs_per_gpu: int | str
        refresh_seconds: float
        line_seconds: float

        def __post_init__(self) -> None:
            for name in ("runs_at_once", "threads_per_run", "runs_per_gpu", "refresh_seconds", "line_seconds"):
                value = getattr(self, name)
                if name == "runs_per_gpu" and isinstance(value, str):
                    require(value == AUTO, f"runs_per_gpu must be a number or auto, got {value}")
                else:
                    require(value is None or value > 0, f"{name} must be > 0, got {value}")

        def packed(self, measured: int | None) -> Pool.Config:
            """The same with the `measured` number in the place of auto; 1 where there is none."""
            return replace(self, runs_per_gpu=measured or 1) if self.runs_per_gpu == AUTO else self

        def at_once(self, gpus: int = 0) -> int:
            """How many runs go at the same time on `gpus` GPUs; 0: on the cores."""
            cores = len(os.sched_getaffinity(0))
            assert isinstance(self.runs_per_gpu, int), "packed comes first"
            return self.runs_at_once or gpus * self.runs_per_gpu or max(1, cores // (self.threads_per_run or 1))

        def threads(self, at_once: int) -> int:
            """Of each of so many runs: together no more than there are cores."""
            return self.threads_per_run or max(1, len(os.sched_getaffinity(0)) // at_once)

    def __init__(
        self, config: Pool.Config, display: Display, command: Command = train_command, gpus: Sequence[str] = ()
    ) -> None:
        """gpus: as CUDA_VISIBLE_DEVICES names them; each run sees the one with the fewest runs. Empty: untouched."""
        self.config = config
        self.gpus = gpus
        self.display = display
        self.command = command
        self._children: list[Child] = []
        self._refused: set[Path] = set()
        self._signals = 0

    def run(self, jobs: Sequence[Job], finished_before: int = 0) -> Board:
        """Every job has ended, or a signal came and those under way have ended; failed ones say why in status.json."""
        for job in jobs:
            write_pending(job, keeper=os.getpid())
        board = Board(self.config.at_once(len(self.gpus)), finished_before, deque(jobs))
        with self._catching_signals():
            try:
                self._work(board)
            finally:
                for child in self._children:
                    child.kill()
                for job in board.waiting:
                    write_not_started(job)
        return board

    def _work(self, board: Board) -> None:
        shown = float("-inf")
        while board.running or (board.waiting and not board.stopping):
            self._obey_signals(board)
            self._start(board)
            self._reap(board)
            if time.monotonic() - shown >= self.config.refresh_seconds:
                for running in board.running:
                    running.status = status.read(running.job.directory)
                self.display.show(board)
                shown = time.monotonic()
            time.sleep(POLL_SECONDS)
        self.display.show(board)

    def _start(self, board: Board) -> None:
        for _ in range(len(board.waiting)):
            if board.stopping or len(board.running) >= board.runs_at_once:
                return
            job = board.waiting.popleft()
            if self._left_to_others(job, board):
                continue
            # The same for all: how many threads there are decides how sums are rounded.
            threads = self.config.threads(board.runs_at_once)
            child = Child(job, self.command(job.directory), threads, self._free_gpu())
            self._children.append(child)
            board.running.append(child.running)
            self.display.started(child.running)

    def _left_to_others(self, job: Job, board: Board) -> bool:
        """Whether `job`, next in line, is not to be started: done by another process meanwhile, or in its hands."""
        if board.held.get(job.directory, 0.0) > time.monotonic():
            board.waiting.append(job)
            return True
        waited = board.held.pop(job.directory, None) is not None
        at = status.read(job.directory)
        if at is not None and (at.state is State.FINISHED or (waited and at.state is State.FAILED)):
            board.ended.append(Ended(job, at, 0.0))
            self.display.ended(board.ended[-1], board)
            return True
        owner = held(job.directory)
        if owner is None or not lives(owner):
            # Elsewhere: a child sees whether the owner still gives signs of life.
            return False
        self._hold(job, board, LOOK_SECONDS)
        return True

    @staticmethod
    def _hold(job: Job, board: Board, seconds: float) -> None:
        board.held[job.directory] = time.monotonic() + seconds
        board.waiting.append(job)

    def _free_gpu(self) -> dict[str, str]:
        if not self.gpus:
            return {}
        busy = [child.environment["CUDA_VISIBLE_DEVICES"] for child in self._children]
        return {"CUDA_VISIBLE_DEVICES": min(self.gpus, key=busy.count)}

    def _reap(self, board: Board) -> None:
        for child in [child for child in self._children if child.process.poll() is not None]:
            self._children.remove(child)
            board.running.remove(child.running)
            if self._belongs_to_others(child):
                self._hold(child.running.job, board, HELD_SECONDS if held(child.running.job.directory) else 0.0)
                continue
            seconds = time.monotonic() - child.running.started
            board.ended.append(Ended(child.running.job, child.final_status(board.stopping), seconds))
            self.display.ended(board.ended[-1], board)

    def _belongs_to_others(self, child: Child) -> bool:
        """Whether `child` has ended for another process's sake; refused twice with nobody there, it was not that."""
        directory = child.running.job.directory
        if not child.refused():
            return False
        if held(directory):
            self._refused.discard(directory)
            return True
        again = directory in self._refused
        self._refused.add(directory)
        return not again

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


def exit_code(board: Board) -> int:
    """0: all finished; 1: some failed; 130: stopped by a signal."""
    if board.stopping:
        return EXIT_INTERRUPTED
    return 0 if all(ended.status.state is State.FINISHED for ended in board.ended) else EXIT_FAILED
