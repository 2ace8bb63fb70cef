"""`redo-lab status`: what runs, what waits, what is lost and what failed."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from redo_lab.launch.choose import guarded, overview, parser, rows
from redo_lab.launch.overview import OVER, Overview, Row, Standing, counts
from redo_lab.launch.table import Columns, shortened
from redo_lab.runs.status import duration, number_text, rate_text
from redo_lab.runs.terminal import NOTHING, Column, fitted, left_out, lines, width_of

STYLES = {
    Standing.RUNNING: "green",
    Standing.FINISHED: "dim",
    Standing.FAILED: "red",
    Standing.LOST: "red",
    Standing.PENDING: "cyan",
}
SILENT_SECONDS = 60
"""Without a step for so long, a run that works says since when."""
NAME, SHARE = "run", 0.4
"""The column that is shortened where there is no room for it, and the share of a line for which others are left out."""
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
        width = width_of(console, FILE_WIDTH)
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
    release = _release(selection)
    shown = ordered if height is None else ordered[: max(1, height - 4 - len(release))]
    summary = ", ".join(f"{count} {state}" for state, count in counts(selection).items())
    head = Text(f"{len(selection)} {'run' if len(selection) == 1 else 'runs'}: {summary or 'none'}", style="bold")
    more = [Text(f"… and {len(ordered) - len(shown)} more")] if len(shown) < len(ordered) else []
    return Group(head, *(_table(shown, width) if shown else []), *more, *release)


def _release(selection: Sequence[Row]) -> list[Text]:
    """What lets jobs that Slurm holds go on, which they don't do by themselves."""
    held = {row.job: "Admin" in row.node for row in selection if row.state is Standing.HELD}
    own, others = (",".join(sorted(job for job in held if held[job] is admin)) for admin in (False, True))
    lines = [f"held by Slurm; this lets them go on: scontrol release {own}"] if own else []
    lines += [f"held by an administrator of Slurm, who alone can release it: {others}"] if others else []
    return [Text(line) for line in lines]


def _table(selection: Sequence[Row], width: int) -> list[Text]:
    """A head and a line for each run; columns in which nothing stands are not there."""
    columns, hidden = fitted(_columns(selection), width, NAME, int(SHARE * width), shortened)
    more = [left_out(hidden)] if hidden else []
    return [*lines(columns, [STYLES.get(row.state, "yellow") for row in selection]), *more]


def _columns(selection: Sequence[Row]) -> list[Column]:
    names = Columns.of([row.headline for row in selection], {row.unit for row in selection})
    several = len({row.experiment for row in selection}) > 1
    again = any(row.attempt > 1 for row in selection)
    columns = [
        Column("state", [row.state.value + _activity(row) for row in selection], left=True),
        *([Column("experiment", [row.experiment for row in selection], left=True)] if several else []),
        Column(NAME, [row.name for row in selection], left=True),
        Column("done", [f"{100 * row.done // max(1, row.total)} %" for row in selection]),
        Column(names.rate, [rate_text(row.rate_per_s) for row in selection], rank=6),
        Column("ETA", [NOTHING if row.eta_seconds is None else duration(row.eta_seconds) for row in selection], rank=2),
        *(
            Column(name, [number_text(name, row.headline.get(name)) for row in selection], rank=3 if at else 1)
            for at, name in enumerate(names.headline)
        ),
        *([Column("try", [str(row.attempt) for row in selection], rank=5)] if again else []),
        Column("node", [row.node or NOTHING for row in selection], left=True, rank=7),
        Column("job", [row.job or NOTHING for row in selection], left=True, rank=4),
    ]
    return [column for column in columns if not column.empty]


def _activity(row: Row) -> str:
    """What a run does where that is not training, and since when it has done nothing."""
    phase = f" ({row.phase})" if row.phase not in (None, "training") else ""
    silent = row.step_age is not None and row.step_age >= SILENT_SECONDS
    return phase + (f", no step for {duration(row.step_age or 0)}" if silent else "")
