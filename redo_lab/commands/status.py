"""`redo-lab status`: what runs, what waits, what is lost and what failed."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from redo_lab.launch.choose import guarded, overview, parser, rows
from redo_lab.launch.overview import OVER, Overview, Row, Standing, counts
from redo_lab.launch.table import Columns, shortened
from redo_lab.runs.status import duration, number_text, rate_text

STYLES = {
    Standing.RUNNING: "green",
    Standing.FINISHED: "dim",
    Standing.FAILED: "red",
    Standing.LOST: "red",
    Standing.PENDING: "cyan",
}
SILENT_SECONDS = 60
"""Without a step for so long, a run that works says since when."""
LEAST_NAME = 12
LEFT = ("state", "run", "node", "job")
"""Columns of words; those of numbers stand to the right."""
FILE_WIDTH = 140


def main(argv: Sequence[str]) -> int:
    """0; 2 if there are no such runs."""
    command_line = parser("status", "How runs stand, from their own directories; Slurm is asked about those that wait.")
    command_line.add_argument(
        "--state", nargs="+", default=[], type=Standing, choices=list(Standing), help="only runs in these states"
    )
    command_line.add_argument("--json", action="store_true", help="everything, as JSON")
    command_line.add_argument(
        "--watch", nargs="?", type=float, const=5.0, metavar="SECONDS", help="again and again, until all have ended"
    )
    return guarded("status", _show, command_line.parse_args(argv))


def _show(arguments: argparse.Namespace) -> int:
    view = overview(arguments)
    if arguments.json:
        selection = rows(view, arguments, arguments.state)
        print(json.dumps({"counts": counts(selection), "runs": [asdict(row) for row in selection]}, indent=1))
    elif arguments.watch is not None:
        _watch(view, arguments)
    else:
        console = Console(highlight=False)
        width = console.width if console.is_terminal else FILE_WIDTH
        Console(highlight=False, width=width).print(render(rows(view, arguments, arguments.state), width))
    return 0


def _watch(view: Overview, arguments: argparse.Namespace) -> None:
    with Live(auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            selection = rows(view, arguments, arguments.state)
            width, height = live.console.size
            live.update(render(selection, width, height - 1), refresh=True)
            if all(row.state in OVER for row in selection):
                return
            time.sleep(arguments.watch)
            view = overview(arguments)


def render(selection: Sequence[Row], width: int, height: int | None = None) -> Group:
    """The counts and, in at most `height` lines, a line for each run: those that need a look first."""
    order = list(Standing)
    ordered = sorted(selection, key=lambda row: (order.index(row.state), row.name))
    shown = ordered if height is None else ordered[: max(1, height - 3)]
    summary = ", ".join(f"{count} {state}" for state, count in counts(selection).items())
    head = Text(f"{len(selection)} {'run' if len(selection) == 1 else 'runs'}: {summary or 'none'}", style="bold")
    more = [Text(f"… and {len(ordered) - len(shown)} more")] if len(shown) < len(ordered) else []
    return Group(head, *(_table(shown, width) if shown else []), *more)


def _table(selection: Sequence[Row], width: int) -> list[Text]:
    """A head and a line for each run."""
    columns = Columns.of([row.headline for row in selection], {row.unit for row in selection})
    headings = ["state", "run", "done", columns.rate, "ETA", *columns.headline, "try", "node", "job"]
    cells = [_cells(row, columns.headline) for row in selection]
    rest = sum(max(len(column), *(len(row[at]) for row in cells)) + 2 for at, column in enumerate(headings) if at != 1)
    longest = max(LEAST_NAME, width - rest)
    for row in cells:
        row[1] = shortened(row[1], longest)
    styles = [STYLES.get(row.state, "yellow") for row in selection]
    return _aligned([headings, *cells], ["dim", *styles])


def _aligned(table: Sequence[Sequence[str]], styles: Sequence[str]) -> list[Text]:
    """A line for each row of `table`, whose first row is its head and whole in its style; of others the first cell is.

    Rich's own Table takes four times as long, which shows from thousands of runs on.
    """
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    lines = []
    for number, (row, style) in enumerate(zip(table, styles, strict=True)):
        padded = [
            cell + " " * (width - cell_len(cell)) if name in LEFT else " " * (width - cell_len(cell)) + cell
            for name, cell, width in zip(table[0], row, widths, strict=True)
        ]
        line = Text("  ".join(padded), no_wrap=True, overflow="ellipsis")
        line.stylize(style, 0, len(padded[0]) if number else len(line))
        lines.append(line)
    return lines


def _cells(row: Row, headline: Sequence[str]) -> list[str]:
    return [
        row.state.value + _activity(row),
        row.name,
        f"{100 * row.done // max(1, row.total)} %",
        rate_text(row.rate_per_s),
        "–" if row.eta_seconds is None else duration(row.eta_seconds),
        *(number_text(name, row.headline.get(name)) for name in headline),
        str(row.attempt),
        row.node or "–",
        row.job or "–",
    ]


def _activity(row: Row) -> str:
    """What a run does where that is not training, and since when it has done nothing."""
    phase = f" ({row.phase})" if row.phase not in (None, "training") else ""
    silent = row.step_age is not None and row.step_age >= SILENT_SECONDS
    return phase + (f", no step for {duration(row.step_age or 0)}" if silent else "")
