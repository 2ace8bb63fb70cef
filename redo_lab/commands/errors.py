"""`redo-lab errors`: why runs failed, each reason once."""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence

from redo_lab.launch.choose import guarded, overview, parser, rows
from redo_lab.launch.overview import Row, Standing
from redo_lab.runs.reading import printable


def main(argv: Sequence[str]) -> int:
    """0; 2 if there are no such runs."""
    command_line = parser(
        "errors", "The errors of failed and lost runs: grouped, counted, with the first example of each."
    )
    return guarded("errors", _errors, command_line.parse_args(argv))


def _errors(arguments: argparse.Namespace) -> int:
    selection = rows(overview(arguments), arguments, [Standing.FAILED, Standing.LOST])
    if not selection:
        print("no run has failed or is lost")
        return 0
    for group in grouped(selection):
        first = group[0]
        print(printable(f"{len(group)} {'run' if len(group) == 1 else 'runs'}, first {first.directory}:"))
        print(printable("\n".join(f"  {line}" for line in _text(first).splitlines())))
        print()
    return 0


def grouped(selection: Sequence[Row]) -> list[list[Row]]:
    """The runs that failed for the same reason together, the most frequent reason first.

    The same: but for addresses, numbers, the names of runs and everything before the traceback.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in selection:
        reason = _text(row).replace(row.directory, "RUN").replace(row.run_id, "RUN")
        start = reason.find("Traceback (most recent call last)")
        groups[re.sub(r"0x[0-9a-f]+|\d[\d.,]*", "N", reason[max(0, start) :])].append(row)
    return sorted(groups.values(), key=len, reverse=True)


def _text(row: Row) -> str:
    if row.state is Standing.LOST:
        return "lost: its process is gone without a word, and no job of its own waits or runs"
    return (row.error or "failed without a word").strip()
