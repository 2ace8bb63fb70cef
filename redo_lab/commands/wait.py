"""`redo-lab wait`: until nothing runs or waits any more."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from redo_lab.launch.choose import guarded, overview, parser, rows
from redo_lab.launch.overview import OVER, Standing, counts


def main(argv: Sequence[str]) -> int:
    """0: all are finished; 1: all have ended, not all of them so; 2: there are no such runs."""
    command_line = parser("wait", "Returns when every run has ended: 0 if all are finished, 1 if not.")
    command_line.add_argument(
        "--every", type=float, default=5.0, metavar="SECONDS", help="between two looks (default: 5)"
    )
    return guarded("wait", _wait, command_line.parse_args(argv))


def _wait(arguments: argparse.Namespace) -> int:
    last: dict[str, int] = {}
    while True:
        selection = rows(overview(arguments), arguments)
        if (now := counts(selection)) != last:
            last = now
            print(", ".join(f"{count} {state}" for state, count in last.items()), flush=True)
        if all(row.state in OVER for row in selection):
            return 0 if all(row.state is Standing.FINISHED for row in selection) else 1
        time.sleep(arguments.every)
