"""Offline W&B runs on their way to its server: `wandb sync` for each attempt at each run, several runs at once."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redo_lab.launch.overview import alive
from redo_lab.runs import status, wandb_files
from redo_lab.runs.status import State

COMMAND = (sys.executable, "-P", "-m", "wandb", "sync")
ADDRESS = re.compile(r"View run .* at (\S+)")
LONGEST_REASON = 200


@dataclass(frozen=True)
class OfflineRun:
    """The offline files of the run in `directory`, oldest attempt first; running: a process still writes to them."""

    directory: Path
    files: tuple[Path, ...]
    running: bool

    @property
    def pending(self) -> tuple[Path, ...]:
        """The files that W&B has not, or not whole."""
        return tuple(path for path in self.files if not _is_synced(path))


@dataclass(frozen=True)
class Upload:
    """What became of a run: so many of its files were uploaded, and why the rest was not, if any is left."""

    run: OfflineRun
    uploaded: int
    address: str | None
    problem: str | None


def offline_runs(root: Path) -> list[OfflineRun]:
    """Those at or below `root`, without files whose rows an online attempt has sent; ValueError if there are none."""
    if not root.is_dir():
        raise ValueError(f"{root}: {'not a directory' if root.exists() else 'no such directory'}")
    by_run: dict[Path, list[Path]] = {}
    for path in wandb_files.files(root.absolute()):
        if path.parent.name.startswith("offline-"):
            by_run.setdefault(path.parent.parent.parent, []).append(path)
    if not by_run:
        raise ValueError(f"{root}: holds no offline runs of W&B (logger=wandb_offline writes them)")
    return [OfflineRun(directory, tuple(files), _runs(directory)) for directory, files in sorted(by_run.items())]


class Uploads:
    """`runs_at_once` runs at once; a file that takes longer than `timeout_seconds` is given up, and its run with it."""

    def __init__(self, runs_at_once: int, timeout_seconds: float) -> None:
        self._runs_at_once = runs_at_once
        self._timeout = timeout_seconds
        self._processes: set[subprocess.Popen[str]] = set()
        self._stopped = threading.Event()

    def results(self, runs: Sequence[OfflineRun]) -> Iterator[Upload]:
        """One of each run, as they come; an exception, a Ctrl-C too, ends what is under way."""
        with ThreadPoolExecutor(self._runs_at_once) as pool:
            futures = [pool.submit(self._upload, run) for run in runs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(self._processes):
                    process.kill()

    def _upload(self, run: OfflineRun) -> Upload:
        """The attempts in their order: a row goes behind those that the server has. Nobody else uploads them now."""
        with _alone(run.files[0]) as alone:
            return self._upload_pending(run) if alone else Upload(run, 0, None, "another process uploads it just now")

    def _upload_pending(self, run: OfflineRun) -> Upload:
        count, address = 0, None
        for path in run.pending:
            if self._stopped.is_set():
                return Upload(run, count, address, "stopped")
            text, in_time = self._sync(path)
            if match := ADDRESS.search(text):
                address = match[1]
            if not _is_synced(path):
                return Upload(run, count, address, _reason(text) if in_time else f"no answer in {self._timeout:g} s")
            count += 1
        return Upload(run, count, address, None)

    def _sync(self, path: Path) -> tuple[str, bool]:
        """What `wandb sync` printed, and whether it ended in time; its exit code says nothing."""
        # An earlier `wandb.init` in this shell may have left the first two, and they would keep it from sending.
        environment = {name: value for name, value in os.environ.items() if name not in ("WANDB_MODE", "WANDB_SERVICE")}
        with subprocess.Popen(
            [*COMMAND, str(path.parent)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            self._processes.add(process)
            try:
                return process.communicate(timeout=self._timeout)[0], True
            except subprocess.TimeoutExpired:
                process.kill()
                return "", False
            finally:
                self._processes.discard(process)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other `sync` has `path` until the block ends; the lock ends with its process."""
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _is_synced(path: Path) -> bool:
    """By the mark that `wandb sync` leaves when the server has the whole file."""
    return path.with_name(f"{path.name}.synced").exists()


def _runs(directory: Path) -> bool:
    last = status.read(directory)
    return last is not None and last.state is State.RUNNING and alive(directory, last, time.time())


def _reason(text: str) -> str:
    """The last error in what W&B printed, in one line."""
    lines = [line.removeprefix("wandb:").strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line] or lines or ["`wandb sync` ended without a word"]
    return errors[-1].removeprefix("ERROR").strip().partition(": {")[0][:LONGEST_REASON]
