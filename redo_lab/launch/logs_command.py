"""`redo-lab logs`: what one run has said."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from redo_lab.launch.child import CONSOLE_NAME
from redo_lab.launch.choose import ROOT, guarded
from redo_lab.launch.overview import OVER, Overview
from redo_lab.runs.table import find_runs

NAMES = ("log.txt", CONSOLE_NAME)
FOLLOW_SECONDS = 0.5


def main(argv: Sequence[str]) -> int:
    """0; 2 if there is no such run, or more than one."""
    made = argparse.ArgumentParser("redo-lab logs", description="Prints the log of one run.")
    made.add_argument("run", metavar="RUN", help="its directory, or a part of its id that no other run has")
    made.add_argument("--root", type=Path, default=ROOT, help="where to look for it (default: runs)")
    made.add_argument("-n", "--lines", type=int, metavar="N", help="only the last N lines")
    made.add_argument("-f", "--follow", action="store_true", help="go on until the run has ended")
    return guarded("logs", _logs, made.parse_args(argv))


def _logs(arguments: argparse.Namespace) -> int:
    directory = _run(arguments.run, arguments.root)
    path = next((directory / name for name in NAMES if _size(directory / name)), None)
    if path is None and not arguments.follow:
        print(f"{directory} has said nothing yet", file=sys.stderr)
        return 0
    path = path or directory / NAMES[0]
    at = 0
    if path.exists():
        text = path.read_bytes()
        at = len(text)
        lines = text.decode(errors="replace").splitlines(keepends=True)
        sys.stdout.write("".join(lines if arguments.lines is None else lines[-arguments.lines :]))
        sys.stdout.flush()
    while arguments.follow:
        over = Overview([directory]).rows()[0].state in OVER
        if _size(path) > at:
            with path.open("rb") as file:
                file.seek(at)
                new = file.read()
            at += len(new)
            sys.stdout.write(new.decode(errors="replace"))
            sys.stdout.flush()
        if over:
            break
        time.sleep(FOLLOW_SECONDS)
    return 0


def _run(named: str, root: Path) -> Path:
    if (Path(named) / "run.json").exists():
        return Path(named)
    found = [path for path in find_runs([root]) if named in path.name]
    if len(found) != 1:
        several = f"{len(found)} runs, for example {found[0].name} and {found[1].name}" if found else "no run"
        raise ValueError(f"'{named}' names {several} below {root}")
    return found[0]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
