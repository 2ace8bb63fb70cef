"""`redo-lab logs`: the log of one run."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from redo_lab.launch.child import CONSOLE_NAME
from redo_lab.launch.choose import ROOT, guarded
from redo_lab.launch.overview import OVER, Overview
from redo_lab.runs.reading import printable
from redo_lab.runs.table import run_named

NAMES = ("log.txt", CONSOLE_NAME)
FOLLOW_SECONDS = 0.5
STATE_SECONDS = 10.0
"""Between two questions whether the run has ended, which may go to Slurm."""


def main(argv: Sequence[str]) -> int:
    """0; 2 if there is no such run, or more than one."""
    command_line = argparse.ArgumentParser("redo-lab logs", description="Prints the log of one run.")
    command_line.add_argument("run", metavar="RUN", help="its directory, or a part of its id that no other run has")
    command_line.add_argument("--root", type=Path, default=ROOT, help="where to look for it (default: runs)")
    command_line.add_argument("-n", "--lines", type=_count, metavar="N", help="only the last N lines")
    command_line.add_argument(
        "--raw", action="store_true", help="with whatever moves the cursor or changes colours, too"
    )
    command_line.add_argument("-f", "--follow", action="store_true", help="go on until the run has ended")
    return guarded("logs", _logs, command_line.parse_args(argv))


def _logs(arguments: argparse.Namespace) -> int:
    directory = run_named(arguments.run, arguments.root)
    path = _log(directory)
    if path is None and not arguments.follow:
        print(f"{directory} has written no log yet", file=sys.stderr)
        return 0
    shown = _as_it_is if arguments.raw else printable
    length = _print(path, arguments.lines, shown) if path else 0
    if arguments.follow:
        _follow(directory, path, length, shown)
    return 0


def _print(path: Path, most_lines: int | None, shown: Callable[[str], str]) -> int:
    """The last lines of `path`, or all, are printed; returns how many bytes it has."""
    with path.open("rb") as file:
        for line in file if most_lines is None else deque(file, maxlen=most_lines):
            sys.stdout.write(shown(line.decode(errors="replace")))
        sys.stdout.flush()
        return file.tell()


def _as_it_is(text: str) -> str:
    return text


def _follow(directory: Path, path: Path | None, at: int, shown: Callable[[str], str]) -> None:
    """What is written to `path` after `at` bytes is printed until the run has ended; None: it has no log yet."""
    over, last_look = False, float("-inf")
    while True:
        if time.monotonic() - last_look >= STATE_SECONDS:
            over, last_look = Overview([directory]).rows()[0].state in OVER, time.monotonic()
        path = path or _log(directory)
        if path and _size(path) > at:
            with path.open("rb") as file:
                file.seek(at)
                new = file.read()
            at += len(new)
            sys.stdout.write(shown(new.decode(errors="replace")))
            sys.stdout.flush()
        if over:
            return
        time.sleep(FOLLOW_SECONDS)


def _log(directory: Path) -> Path | None:
    return next((directory / name for name in NAMES if _size(directory / name)), None)


def _count(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number ≥ 0, got {word}")
    return int(word)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
