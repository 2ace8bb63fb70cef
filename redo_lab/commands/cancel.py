"""`redo-lab cancel`: jobs leave the queue, runs save and stop."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from redo_lab.launch import scheduler
from redo_lab.launch.choose import guarded, overview, parser, rows
from redo_lab.launch.overview import OVER, Row, Standing
from redo_lab.launch.owners import why_no_signal, write_unheld
from redo_lab.runs import lease, status
from redo_lab.runs.reading import printable
from redo_lab.runs.status import State


def main(argv: Sequence[str]) -> int:
    """0: nothing of the runs waits or runs any more, once they have saved; 1: Slurm refused; 2: no such runs."""
    command_line = parser(
        "cancel", "Ends jobs and processes of these runs. They save, and go on when they are started again.", named=True
    )
    return guarded("cancel", _cancel, command_line.parse_args(argv))


def _cancel(arguments: argparse.Namespace) -> int:
    view = overview(arguments)
    chosen = [row for row in rows(view, arguments) if row.state not in OVER]
    jobs = sorted({row.job for row in chosen if row.job})
    if jobs:
        print(f"cancelling {len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}: {', '.join(jobs)}")
        for row in chosen:
            if row.job:
                print(f"{row.run_id}: in job {row.job}")
        inside = {run for sweep in view.sweeps for job in jobs for run in sweep.jobs.get(job, [])}
        for other in sorted(inside - {row.run_id for row in chosen}):
            print(printable(f"{other}: not chosen, but in the same job"))
        try:
            scheduler.cancel(jobs)
        except subprocess.CalledProcessError as error:
            print(printable(f"scancel: {error.stderr.strip()}"))
            return 1
        _not_lost(row for row in chosen if row.job)
    for row in chosen:
        if not row.job:
            print(printable(f"{row.run_id}: {_interrupted(row)}"))
    if not chosen:
        print("nothing of these runs waits or runs")
    return 0


def _not_lost(cancelled: Iterable[Row]) -> None:
    """Runs that never began say so themselves; the others save and say how they ended."""
    for row in cancelled:
        last = status.read(Path(row.directory))
        if row.state in (Standing.PENDING, Standing.HELD) and last is not None and last.state is State.PENDING:
            write_unheld(Path(row.directory), replace(last, state=State.INTERRUPTED))


def _interrupted(row: Row) -> str:
    owner = lease.owner_of(Path(row.directory))
    if row.state is not Standing.RUNNING or owner is None:
        return f"no process of this machine does it (it is {row.state.value}): end what started it"
    if why := why_no_signal(owner):
        return f"not signalled: {why}; end what started it"
    os.kill(owner.pid, signal.SIGINT)
    return f"asked process {owner.pid} to save and stop"
