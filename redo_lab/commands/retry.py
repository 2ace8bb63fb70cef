"""`redo-lab retry`: failed and lost runs once more, from their checkpoints."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from redo_lab.config import ConfigError
from redo_lab.launch.board import Job
from redo_lab.launch.choose import guarded, overview, parser, rows
from redo_lab.launch.overview import Overview, Row, Standing
from redo_lab.launch.pack import CRASHES_NAME
from redo_lab.launch.record import Sweep, SweepRun
from redo_lab.runs.reading import printable

EXIT_LEFT_OUT = 2
AGAIN = (Standing.FAILED, Standing.LOST, Standing.INTERRUPTED, Standing.PREEMPTED)
DEFAULT = [Standing.FAILED, Standing.LOST]


def main(argv: Sequence[str]) -> int:
    """0: submitted, finished on this machine or nothing to do; 1: failed again; 2: no such runs, or some left out."""
    command_line = parser(
        "retry", "Does failed and lost runs again: as Slurm jobs if they were that, else on this machine."
    )
    command_line.add_argument(
        "--state", nargs="+", default=DEFAULT, type=Standing, choices=AGAIN, help="which (default: failed lost)"
    )
    command_line.add_argument(
        "--trust", action="store_true", help="submit as a record says that someone else may have written"
    )
    return guarded("retry", _retry, command_line.parse_args(argv))


def _retry(arguments: argparse.Namespace) -> int:
    view = overview(arguments)
    selection = rows(view, arguments, arguments.state)
    if not selection:
        print(_nothing(view, arguments))
        return 0
    chosen = [row for row in selection if _can_go_on(row)]
    recorded = view.recorded()
    if not arguments.trust:
        _refuse_foreign(recorded[at][1] for row in chosen if (at := Path(row.directory)) in recorded)
    for row in chosen:
        (Path(row.directory) / CRASHES_NAME).unlink(missing_ok=True)
    again: dict[str, list[SweepRun]] = defaultdict(list)
    for row in chosen:
        if Path(row.directory) in recorded:
            run, sweep = recorded[Path(row.directory)]
            again[json.dumps(sweep.settings, sort_keys=True)].append(run)
    for settings, runs in again.items():
        _submit(runs, json.loads(settings))
    here = [row for row in chosen if Path(row.directory) not in recorded]
    code = _on_this_machine(here) if here else 0
    return code or (EXIT_LEFT_OUT if len(chosen) < len(selection) else 0)


def _nothing(view: Overview, arguments: argparse.Namespace) -> str:
    if arguments.state != DEFAULT:
        return f"no run is {' or '.join(arguments.state)}"
    stopped = len(rows(view, arguments, [Standing.INTERRUPTED, Standing.PREEMPTED]))
    hint = f"; {stopped} stopped: the same sweep again, or --state interrupted preempted, goes on with them"
    return "no run has failed or is lost" + (hint if stopped else "")


def _refuse_foreign(sweeps: Iterable[Sweep]) -> None:
    """ValueError, showing them, if shell lines or options of Slurm would come from a record that may not be ours."""
    for sweep in sweeps:
        given = {name: sweep.settings.get(name) for name in ("setup", "sbatch") if sweep.settings.get(name)}
        if given and not sweep.ours:
            raise ValueError(
                f"{sweep.source} was not written by you for this place, and its jobs would run {json.dumps(given)}; "
                "--trust submits them nevertheless"
            )


def _can_go_on(row: Row) -> bool:
    """Whether an attempt at the run would get beyond its config, which may be somebody else's; if not, it says why."""
    from redo_lab.runs.provenance import config_path
    from redo_lab.runs.stored import stored_config

    try:
        stored_config(config_path(Path(row.directory)))
    except ConfigError as error:
        print(printable(f"redo-lab retry: {row.run_id} is left out: {error}"), file=sys.stderr)
        return False
    return True


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
