"""What the user sees while a sweep runs: a live table on a terminal, lines elsewhere; both from the runs' status."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from redo_lab.launch.board import Board, Ended, Job, Running
from redo_lab.launch.local import Display
from redo_lab.runs.status import State, Status, count_text, duration, headline_text, number_text, rate_text

LAST_ENDED = 5
WIDTHS = {"done": 10, "rate": 7, "ETA": 6}
LEAST_WIDTH = 6
MOST_HEADLINES = 4
NARROW = 72
"""Terminals with fewer columns get neither bars nor rates."""
LISTED_FAILURES = 20
MARKS = {State.FINISHED: "[green]✓[/]", State.FAILED: "[red]✗[/]"}
STOPPED_MARK = "[yellow]■[/]"

Cells: TypeAlias = "Mapping[str, str | Text | ProgressBar]"


@contextmanager
def display(line_seconds: float) -> Iterator[Display]:
    """The display that suits standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(line_seconds)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield LiveTable(live)


class LiveTable:
    """A table that replaces itself."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def started(self, running: Running) -> None:
        """Shown with the next table."""

    def ended(self, ended: Ended, board: Board) -> None:
        """Shown with the next table."""

    def show(self, board: Board) -> None:
        """The terminal shows `board`."""
        width, height = self.live.console.size
        self.live.update(render(board, width, height), refresh=True)


class Lines:
    """A line on standard error when a run starts or ends, and on all of them every `line_seconds`."""

    def __init__(self, line_seconds: float) -> None:
        self.line_seconds = line_seconds
        self.lined = time.monotonic()

    def started(self, running: Running) -> None:
        """One line."""
        _say(f"started {running.job.name}: {running.job.directory}")

    def ended(self, ended: Ended, board: Board) -> None:
        """One line, with what went wrong if something did."""
        done = f"[{board.finished_before + len(board.ended)}/{board.total}]"
        figures = "".join(f", {text}" for text in headline_text(ended.status.headline))
        why = f": {last_line(ended.status)}" if ended.status.error else ""
        state = ended.status.state.value
        _say(f"{done} {ended.job.name} {state} after {duration(ended.seconds)}{figures}{why}")

    def show(self, board: Board) -> None:
        """One line, if it is time."""
        if time.monotonic() - self.lined >= self.line_seconds:
            self.lined = time.monotonic()
            _say(overall(board))


def render(board: Board, width: int, height: int) -> Group:
    """`board` in at most `height` lines: what runs, what ended last, and the whole in one line."""
    room = max(2, height - 3)
    ended = board.ended[-min(LAST_ENDED, max(1, room // 3)) :]
    places = max(1, room - len(ended) - 1)
    running = board.running if len(board.running) <= places else board.running[: places - 1]
    rows = [*map(_ended_cells, ended), *map(_running_cells, running)]
    hidden = len(board.running) - len(running)
    more = [Text(f"  … and {hidden} more running")] if hidden else []
    whole = Text(overall(board), style="bold", no_wrap=True, overflow="ellipsis")
    shown: list[Ended | Running] = [*ended, *running]
    columns = Columns.of([one.status.headline for one in shown if one.status], {one.job.unit for one in shown})
    return Group(*([_table(rows, width, columns)] if rows else []), *more, whole)


def overall(board: Board) -> str:
    """All runs in one line: `3/8 done, 1 failed · 2 running · 3 waiting · ETA 5m10s`."""
    counts = board.counts()
    done = f"{board.finished_before + counts[State.FINISHED]}/{board.total} done"
    parts = [done + (f", {counts[State.FAILED]} failed" if counts[State.FAILED] else "")]
    if board.running:
        parts.append(f"{len(board.running)} running")
    if board.waiting:
        elsewhere = f" ({len(board.held)} of them for other processes)" if board.held and not board.stopping else ""
        parts.append(f"{len(board.waiting)} {'not started' if board.stopping else 'waiting'}{elsewhere}")
    if board.stopping and board.running:
        parts.append("stopping; Ctrl-C again kills")
    elif board.running:
        parts.append(f"ETA {_duration(board.eta_seconds())}")
    return " · ".join(parts)


def summary(board: Board) -> str:
    """How the sweep ended: the counts, then each failed run's directory and the last line of its error."""
    counts = board.counts()
    by_name = {
        "finished": counts[State.FINISHED],
        "finished before": board.finished_before,
        "failed": counts[State.FAILED],
        "interrupted": counts[State.INTERRUPTED] + counts[State.PREEMPTED],
        "not started": len(board.waiting),
    }
    summary = ", ".join(f"{count} {name}" for name, count in by_name.items() if count)
    failed = [ended for ended in board.ended if ended.status.state is State.FAILED]
    lines = [f"  {ended.job.directory}: {last_line(ended.status)}" for ended in failed[:LISTED_FAILURES]]
    more = [f"  … and {len(failed) - LISTED_FAILURES} more failed"] if len(failed) > LISTED_FAILURES else []
    return "\n".join([f"{board.total} {'run' if board.total == 1 else 'runs'}: {summary}", *lines, *more])


def last_line(status: Status) -> str:
    """The last line of the error."""
    return (status.error or "").strip().rpartition("\n")[2].strip()


class Columns(NamedTuple):
    """The numbers shown of runs. done, rate: the headings of what is counted; headline: those that the runs name."""

    done: str
    rate: str
    headline: tuple[str, ...]

    @classmethod
    def of(cls, headlines: Iterable[Mapping[str, float]], units: Collection[str]) -> Columns:
        """Of runs with these headlines, which count in `units`."""
        # "agent steps" are steps, to be brief.
        unit = next(iter(units)).rpartition(" ")[2] if len(units) == 1 else ""
        names = dict.fromkeys(name for headline in headlines for name in headline)
        return cls(unit or "done", f"{unit}/s" if unit else "per s", tuple(names)[:MOST_HEADLINES])


def _table(rows: Sequence[Cells], width: int, columns: Columns) -> Table:
    numbers = {**WIDTHS, **{name: max(LEAST_WIDTH, len(name)) for name in columns.headline}}
    numbers = {name: size for name, size in numbers.items() if name != "rate" or width >= NARROW}
    headings = {"done": columns.done, "rate": columns.rate}
    numbers = {name: max(size, len(headings.get(name, ""))) for name, size in numbers.items()}
    bar = 10 if width >= NARROW else 0
    names = [str(row["name"]) for row in rows]
    longest = width - bar - 4 - sum(size + 1 for size in numbers.values())
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, expand=True, header_style="dim")
    table.add_column("", width=1)
    table.add_column("", no_wrap=True, width=min(max(map(len, names)), longest))
    if bar:
        table.add_column("", ratio=1, no_wrap=True)
    for name, size in numbers.items():
        table.add_column(Text(headings.get(name, name)), justify="right", no_wrap=True, width=size)
    for row in rows:
        cells = {**row, "name": Text(shortened(str(row["name"]), longest))}
        table.add_row(
            *(
                cells.get(name, "–" * (name in columns.headline))
                for name in ("mark", "name", *(["bar"] if bar else []), *numbers)
            )
        )
    return table


def shortened(name: str, longest: int) -> str:
    """`name` in at most `longest` letters, both ends kept: the seed stands last."""
    if len(name) <= longest:
        return name
    head = (longest - 1) // 2
    return f"{name[:head]}…{name[len(name) - (longest - 1 - head) :]}"


def _running_cells(running: Running) -> Cells:
    rate, job = running.rate_per_s, running.job
    return {
        "name": running.job.name,
        "bar": ProgressBar(total=job.total, completed=running.done),
        "rate": rate_text(rate),
        "ETA": _duration((job.total - running.done) / rate if rate else None),
        **_figures(running.job, running.status),
    }


def _ended_cells(ended: Ended) -> Cells:
    message = last_line(ended.status) or f"{ended.status.state.value} in {duration(ended.seconds)}"
    return {
        "mark": Text.from_markup(MARKS.get(ended.status.state, STOPPED_MARK)),
        "name": ended.job.name,
        "bar": Text(message, style="dim", no_wrap=True, overflow="ellipsis"),
        **_figures(ended.job, ended.status),
    }


def _figures(job: Job, status: Status | None) -> Cells:
    return {
        "done": f"{count_text(status.done if status else 0)}/{count_text(job.total)}",
        **{name: number_text(name, value) for name, value in (status.headline if status else {}).items()},
    }


def _duration(seconds: float | None) -> str:
    return "?" if seconds is None else duration(seconds)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
