"""`redo-lab report RUNS -o report.html`: everything about some runs in one file that opens from disk."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from redo_lab.analysis.selection import add_selection, guarded, resampling_of, scores_of, table_of


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
    return guarded("report", _report, command_line.parse_args(argv))


def _report(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.output import whole_file
    from redo_lab.analysis.report.build import build

    if arguments.output.suffix != ".html":
        raise ValueError(f"-o {arguments.output}: must end with .html")
    table = table_of(arguments)
    score_table = scores_of(arguments, table)
    title = arguments.title or "redo_lab: " + ", ".join(sorted(set(table.runs["experiment"])))
    pieces = build(score_table, table, resampling_of(arguments), title, arguments.output)
    with whole_file(arguments.output) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
    print(f"written: {arguments.output} ({arguments.output.stat().st_size / 1e6:.1f} MB)")
