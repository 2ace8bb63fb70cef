"""`redo-lab report RUNS -o report.html`: everything about some runs in one file that opens from disk."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis.selection import (
    add_selection,
    check_names,
    folder_of,
    guarded,
    paths_of,
    resampling_of,
    scores_of,
    table_of,
)

if TYPE_CHECKING:
    from redo_lab.dashboards.aggregates import Target
    from redo_lab.runs.table import Table

EVERY_SECONDS = 30.0


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    command_line = argparse.ArgumentParser(
        "redo-lab report", description="One self-contained HTML file: summary, figures, curves, cost, runs."
    )
    add_selection(command_line, runs="*")
    command_line.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: report.html in the first RUNS"
    )
    command_line.add_argument("--title", help="default: the names of the experiments")
    command_line.add_argument(
        "--watch",
        action="store_true",
        help="renew it while the runs go on, with the curves of unfinished ones; ends with the last run or at Ctrl-C",
    )
    command_line.add_argument(
        "--every",
        type=float,
        default=EVERY_SECONDS,
        metavar="SECONDS",
        help=f"between two looks at the runs with --watch (default: {EVERY_SECONDS:g})",
    )
    command_line.add_argument(
        "--serve",
        type=int,
        nargs="?",
        const=0,
        metavar="PORT",
        help="serve it on 127.0.0.1 until Ctrl-C, with --watch an open page renews itself; without PORT a free one",
    )
    command_line.add_argument(
        "--to", choices=("wandb", "wandb_offline"), help="log the aggregates, the figures and the report to W&B, too"
    )
    command_line.add_argument("--entity", metavar="E", help="with --to: a team or a user of W&B")
    command_line.add_argument("--project", metavar="P", help="with --to: default: that of the runs")
    return guarded("report", _report, command_line.parse_args(argv))


def _report(arguments: argparse.Namespace) -> None:
    arguments.output = arguments.output or folder_of(arguments) / "report.html"
    if arguments.output.suffix != ".html":
        raise ValueError(f"-o {arguments.output}: must end with .html")
    if arguments.every <= 0:
        raise ValueError(f"--every must be > 0, got {arguments.every:g}")
    if arguments.serve is not None and not 0 <= arguments.serve <= 65535:
        raise ValueError(f"--serve: a port is at most 65535, got {arguments.serve}")
    if arguments.watch and arguments.source is not None:
        raise ValueError("--watch looks at run directories, not at --from")
    if arguments.to is None and (arguments.entity or arguments.project):
        raise ValueError("--entity and --project say where W&B has it: give --to wandb, too")
    if arguments.to is not None and arguments.watch:
        raise ValueError("--to takes the report of runs that have ended: leave --watch out")
    with suppress(KeyboardInterrupt), _serving(arguments):
        if arguments.watch:
            _watch(arguments)
        else:
            _write(arguments)
        if arguments.serve is not None:
            print("Ctrl-C ends the serving", flush=True)
            threading.Event().wait()


def _watch(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.report.watch import fingerprint, watch
    from redo_lab.launch.overview import OVER, Overview

    paths = paths_of(arguments)
    # What runs have not done yet is no mistake while they go on; the page says what is left out.
    arguments.allow_missing = True
    watch(
        lambda: _write(arguments),
        lambda: fingerprint(paths),
        lambda: all(row.state in OVER for row in Overview(paths).rows()),
        arguments.every,
    )


def _write(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.output import whole_file

    table = table_of(arguments)
    target = _target(arguments, table) if arguments.to else None
    title = arguments.title or "redo_lab: " + ", ".join(sorted(set(table.runs["experiment"])))
    pieces = _pieces(arguments, table, title)
    with whole_file(arguments.output) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
    print(f"written: {arguments.output} ({arguments.output.stat().st_size / 1e6:.1f} MB)", flush=True)
    if target is not None:
        _send(arguments, table, title, target)


def _target(arguments: argparse.Namespace, table: Table) -> Target:
    """Where in W&B; a mistake is named before anything is drawn."""
    from redo_lab.dashboards.aggregates import target_of

    return target_of(table, arguments.entity, arguments.project, offline=arguments.to == "wandb_offline")


def _send(arguments: argparse.Namespace, table: Table, title: str, target: Target) -> None:
    from redo_lab.analysis.figures.base import Source
    from redo_lab.dashboards.aggregates import send

    source = Source(scores_of(arguments, table), table, resampling_of(arguments))
    print(f"W&B: {send(source, arguments.output, title, target)}")


def _pieces(arguments: argparse.Namespace, table: Table, title: str) -> Iterator[str]:
    from redo_lab.analysis.report.build import build, build_live
    from redo_lab.analysis.report.data import Curves

    resampling = resampling_of(arguments)
    if not arguments.watch:
        scores = scores_of(arguments, table)
        check_names(arguments, scores)
        return build(scores, table, resampling, title, arguments.output)
    curves = Curves.of_all(table, arguments.by)
    try:
        scores = scores_of(arguments, table)
    except ValueError as error:
        return build_live(str(error), curves, table, resampling, title, arguments.output)
    return build_live(scores, curves, table, resampling, title, arguments.output)


def _serving(arguments: argparse.Namespace) -> AbstractContextManager[object]:
    if arguments.serve is None:
        return nullcontext()
    return _served(arguments)


@contextmanager
def _served(arguments: argparse.Namespace) -> Iterator[None]:
    from redo_lab.analysis.report.serve import served

    with served(arguments.output, arguments.serve) as address:
        print(f"served: {address}", flush=True)
        yield
