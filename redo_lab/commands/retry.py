"""`redo-lab retry`: failed and lost runs once more, from their checkpoints."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redo_lab.launch.board import Job
from redo_lab.launch.choose import guarded, overview, parser, rows
from redo_lab.launch.overview import Row, Seen
from redo_lab.launch.pack import CRASHES_NAME
from redo_lab.launch.record import SweepRun


def main(argv: Sequence[str]) -> int:
    """0: submitted, or finished on this machine, or nothing to do; 1: failed again; 2: no such runs."""
    made = parser("retry", "Does failed and lost runs again: as Slurm jobs if they were that, else on this machine.")
    return guarded("retry", _retry, made.parse_args(argv))


def _retry(arguments: argparse.Namespace) -> int:
    seen = overview(arguments)
    chosen = rows(seen, arguments, [Seen.FAILED, Seen.LOST])
    if not chosen:
        print("no run has failed or is lost")
        return 0
    for row in chosen:
        (Path(row.directory) / CRASHES_NAME).unlink(missing_ok=True)
    recorded = seen.recorded()
    again: dict[str, list[SweepRun]] = defaultdict(list)
    for row in chosen:
        if Path(row.directory) in recorded:
            run, sweep = recorded[Path(row.directory)]
            again[json.dumps(sweep.settings, sort_keys=True)].append(run)
    for settings, runs in again.items():
        _submit(runs, json.loads(settings))
    here = [row for row in chosen if Path(row.directory) not in recorded]
    return _on_this_machine(here) if here else 0


def _submit(runs: Sequence[SweepRun], settings: dict[str, Any]) -> None:
    from redo_lab.launch.slurm import SubmissionRefused, resubmit

    try:
        resubmit(runs, settings)
    except SubmissionRefused as error:
        raise ValueError(str(error)) from error


def _on_this_machine(chosen: Sequence[Row]) -> int:
    from redo_lab.launch.local import Pool, exit_code
    from redo_lab.launch.table import display, summary

    jobs = [Job(row.name, Path(row.directory), row.total, row.unit) for row in chosen]
    settings = Pool.Config(
        runs_at_once=None, threads_per_run=None, gpus=None, runs_per_gpu=1, refresh_seconds=0.5, line_seconds=30
    )
    with display(settings.line_seconds) as shown:
        board = Pool(settings, shown).run(jobs)
    print(summary(board))
    return exit_code(board)
