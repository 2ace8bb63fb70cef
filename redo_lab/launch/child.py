"""A run in a process of its own: started, watched, and its end recorded even if it could not record it itself."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from redo_lab.launch.board import Job, Running
from redo_lab.launch.owners import write_unheld
from redo_lab.runs import about, hang, status
from redo_lab.runs.atomic import open_append_nofollow
from redo_lab.runs.status import State, Status

CONSOLE_NAME = "console.txt"
EXIT_FAILED, EXIT_MISTAKE, EXIT_LOST = 1, 2, 4
ENDS = (State.FINISHED, State.FAILED, State.INTERRUPTED, State.PREEMPTED)
TAIL_BYTES = 4000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

Command = Callable[[Path], Sequence[str]]
"""A run's directory → the command line of the process that does it."""


def train_command(directory: Path) -> list[str]:
    """What does the run in `directory` in a process of its own."""
    # -P: the folder in which we were started may hold a queue.py of the user's, which is none of ours.
    return [sys.executable, "-P", "-m", "redo_lab.commands.train", "--directory", str(directory)]


class Child:
    """One run in a session of its own, out of reach of the terminal's Ctrl-C: the parent alone passes that on."""

    def __init__(
        self, job: Job, command: Sequence[str], threads: int, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Starts it; `environment` is beside what this process has, `threads` are those of OpenMP, MKL and OpenBLAS."""
        self.running = Running(job)
        self.environment = environment
        self.console = job.directory / CONSOLE_NAME
        limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        with open_append_nofollow(self.console) as console:
            self.console_start = console.tell()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, **limits, **environment},
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def gone(self) -> bool:
        """Whether the process has ended. Takes no lock, so that a signal handler may ask, whatever it interrupted."""
        try:
            return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def kill(self) -> None:
        """The process and those it started are gone."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def final_status(self, stopping: bool) -> Status:
        """How the run ended by its own word; where it left none, `status.json` now holds ours if nobody has the run."""
        last = status.read(self.running.job.directory) or _blank(self.running.job)
        if last.state in ENDS:
            return last
        ours = replace(
            last,
            state=State.INTERRUPTED if stopping else State.FAILED,
            error=None if stopping else self._cause(),
            heartbeat=time.time(),
            attempt=last.attempt + (last.state is State.PENDING),
        )
        write_unheld(self.running.job.directory, ours, except_pid=self.process.pid)
        return ours

    def refused(self) -> bool:
        """Whether it has ended because another process works on the run, or has just worked on it."""
        return self.process.returncode in (EXIT_MISTAKE, EXIT_LOST) and not self.mistaken()

    def mistaken(self) -> bool:
        """Whether it refused the run as it is configured: another attempt would be refused too."""
        if self.process.returncode != EXIT_MISTAKE:
            return False
        word = status.read(self.running.job.directory)
        return word is not None and (word.state, word.pid) == (State.FAILED, self.process.pid)

    def _cause(self) -> str:
        """The end of its output this time, and what else is known; the last line names the reason."""
        with self.console.open("rb") as console:
            size = console.seek(0, os.SEEK_END)
            console.seek(max(self.console_start, size - TAIL_BYTES))
            tail = console.read().decode(errors="replace").strip()
        code = self.process.returncode
        if code == EXIT_FAILED and (limit := hang.limit_in(tail)) is not None:
            known = about.read(self.running.job.directory)
            env = known.axes.get("game", known.name) if known else "the environment"
            return f"{tail}\na step of {env} took longer than {limit:g} seconds and let no thread run"
        if code < 0:
            guess = " (out of memory?)" if code == -signal.SIGKILL else ""
            return f"{tail}\nkilled by {signal.Signals(-code).name}{guess}".lstrip()
        return f"ended with exit code {code} and no word on how\n{tail}".rstrip()


def _end_with_parent() -> None:
    """If the pool is killed outright, its runs get SIGINT: a new sweep would start them a second time."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def write_pending(job: Job, keeper: int | None = None) -> None:
    """`status.json` says that the run waits, how far it had come and at which attempt; not if somebody works on it.

    keeper: the process of this machine that will start it; without it the run is lost.
    """
    waits = replace(status.read(job.directory) or _blank(job), state=State.PENDING, error=None, heartbeat=time.time())
    write_unheld(job.directory, replace(waits, host=socket.gethostname(), pid=keeper, phase=None, stepped=None))


def write_not_started(job: Job) -> None:
    """`status.json` says that the run, which waited, waits no more: who would have started it has been stopped."""
    before = status.read(job.directory)
    if before is None or before.state is State.PENDING:
        write_unheld(job.directory, replace(before or _blank(job), state=State.INTERRUPTED, heartbeat=time.time()))


def write_mistake(directory: Path, mistake: str) -> None:
    """`status.json` says that this process failed at the run because of `mistake`.

    Not if the run is finished, if somebody else works on it or if nothing says how long it is.
    """
    known, before = about.read(directory), status.read(directory)
    if before is None and known is not None:
        before = status.blank(known.total, known.unit)
    if before is None or before.state is State.FINISHED:
        return
    here = replace(before, host=socket.gethostname(), pid=os.getpid(), heartbeat=time.time(), phase=None)
    write_unheld(directory, replace(here, state=State.FAILED, error=mistake), except_pid=os.getpid())


def _blank(job: Job) -> Status:
    return status.blank(job.total, job.unit)
