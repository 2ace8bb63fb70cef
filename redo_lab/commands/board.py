"""`redo-lab board ROOT`: W&B's own terminal viewer on the runs below it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from redo_lab.launch.choose import ROOT, guarded


def main(argv: Sequence[str]) -> int:
    """The viewer's exit code; 2: no such folder, no W&B runs in it, or no terminal to show them on."""
    command_line = argparse.ArgumentParser(
        "redo-lab board",
        description="Opens `wandb leet`, W&B's terminal viewer, on the W&B runs below a folder, offline ones too; "
        "needs no account and no network. h: help, q: quit.",
    )
    command_line.add_argument(
        "root", nargs="?", type=Path, default=ROOT, metavar="ROOT", help="a root, an experiment or a run directory"
    )
    command_line.add_argument(
        "--newest", type=int, metavar="N", help="only the N attempts that began last (default: all)"
    )
    command_line.add_argument("--list", action="store_true", help="print W&B's files, newest first, and open nothing")
    return guarded("board", _board, command_line.parse_args(argv))


def _board(arguments: argparse.Namespace) -> int:
    from redo_lab.config import require
    from redo_lab.launch.wandb_board import board_files, show
    from redo_lab.runs.reading import printable

    require(arguments.newest is None or arguments.newest >= 1, f"--newest must be ≥ 1, got {arguments.newest}")
    files = board_files(arguments.root)[: arguments.newest]
    if arguments.list:
        print(printable("\n".join(map(str, files))))
        return 0
    require(sys.stdout.isatty(), "there is no terminal here to show the runs on; --list prints where they are")
    return show(files)
