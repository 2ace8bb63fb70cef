"""A run in a process of its own: started, watched, and its end told even if it could not tell it itself."""

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
from redo_lab.runs import status
from redo_lab.runs.atomic import open_append_nofollow
from redo_lab.runs.status import State, Status

CONSOLE_NAME = "console.txt"
ENDS = (State.FINISHED, State.FAILED, State.INTERRUPTED, State.PREEMPTED)
TAIL_BYTES = 4000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

Command = Callable[[Path], Sequence[str]]
"""A run's directory → the command line of the process that does it."""


def train_command(directory: Path) -> list[str]:
    """What does the run in `directory` in a process of its own."""
    return [sys.executable, "-m", "redo_lab.commands.train", "--directory", str(directory)]


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
        """How the run ended by its own word; where it left none, `status.json` now holds ours."""
        found = read_status(self.running.job.directory) or blank(self.running.job)
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
    """`status.json` says that the run waits, how far it had come and at which attempt."""
    found = read_status(job.directory) or blank(job)
    status.write(job.directory, replace(found, state=State.PENDING, error=None, pid=None, heartbeat=time.time()))


def read_status(directory: Path) -> Status | None:
    """The status in `directory`; None where there is none that can be understood."""
    try:
        return status.read(directory)
    except ValueError:
        return None


def blank(job: Job) -> Status:
    """Of a run that no process works on."""
    return Status(
        state=State.PENDING,
        env_steps=0,
        total_env_steps=job.env_steps,
        updates=0,
        episodes=0,
        rate_env_steps_per_s=None,
        heartbeat=time.time(),
        attempt=0,
        error=None,
        last_return=None,
        dormant_percent=None,
        host=socket.gethostname(),
        pid=None,
    )
