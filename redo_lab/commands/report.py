"""`redo-lab report RUNS -o report.html`: everything about some runs in one file that opens from disk."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis.selection import add_selection, guarded, resampling_of, scores_of, table_of

if TYPE_CHECKING:
    from redo_lab.dashboards.aggregates import Target
    from redo_lab.runs.table import Table


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    command_line = argparse.ArgumentParser(
        "redo-lab report", description="One self-contained HTML file: summary, figures, curves, cost, runs."
    )
    add_selection(command_line, runs="*")
    command_line.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE", help="report.html"
    )
    command_line.add_argument("--title", help="default: the names of the experiments")
    command_line.add_argument(
        "--to", choices=("wandb", "wandb_offline"), help="log the aggregates, the figures and the report to W&B, too"
    )
    command_line.add_argument("--entity", metavar="E", help="with --to: a team or a user of W&B")
    command_line.add_argument("--project", metavar="P", help="with --to: default: that of the runs")
    return guarded("report", _report, command_line.parse_args(argv))


def _report(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.output import whole_file
    from redo_lab.analysis.report.build import build

    if arguments.output.suffix != ".html":
        raise ValueError(f"-o {arguments.output}: must end with .html")
    if arguments.to is None and (arguments.entity or arguments.project):
        raise ValueError("--entity and --project say where W&B has it: give --to wandb, too")
    table = table_of(arguments)
    target = _target(arguments, table) if arguments.to else None
    score_table = scores_of(arguments, table)
    title = arguments.title or "redo_lab: " + ", ".join(sorted(set(table.runs["experiment"])))
    pieces = build(score_table, table, resampling_of(arguments), title, arguments.output)
    with whole_file(arguments.output) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
    print(f"written: {arguments.output} ({arguments.output.stat().st_size / 1e6:.1f} MB)")
    if target is not None:
        from redo_lab.analysis.figures.base import Source
        from redo_lab.dashboards.aggregates import send

        source = Source(score_table, table, resampling_of(arguments))
        print(f"W&B: {send(source, arguments.output, title, target)}")


def _target(arguments: argparse.Namespace, table: Table) -> Target:
    """Where in W&B; a mistake is named before anything is drawn."""
    from redo_lab.dashboards.aggregates import target_of

    return target_of(table, arguments.entity, arguments.project, offline=arguments.to == "wandb_offline")
