"""`redo-lab aggregate`: runs to a table in the terminal, as CSV, LaTeX and Markdown, and a few figures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis.schemes import METRICS
from redo_lab.analysis.selection import (
    add_selection,
    check_names,
    folder_of,
    guarded,
    resampling_of,
    scores_of,
    table_of,
)
from redo_lab.runs.reading import printable

if TYPE_CHECKING:
    from redo_lab.analysis.summary import Summary

NARROW_COLUMNS, FILE_WIDTH = 130, 160


def parser() -> argparse.ArgumentParser:
    """The options of the verb; making it imports nothing heavy."""
    command_line = argparse.ArgumentParser(
        "redo-lab aggregate", description="Aggregates final scores over runs × games, per method."
    )
    add_selection(command_line, runs="*")
    command_line.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="where the files go (default: the first RUNS; with --from a folder below runs/)",
    )
    command_line.add_argument(
        "--metric", nargs="+", choices=METRICS, default=METRICS, help="columns of the table (default: all)"
    )
    command_line.add_argument(
        "--bold", action="store_true", help="the best value of each column in bold, in the LaTeX and Markdown tables"
    )
    return command_line


def main(argv: Sequence[str]) -> int:
    """Aggregates the runs that `argv` names; 0, or 2 with the reason on stderr when they cannot be aggregated."""
    return guarded("aggregate", _aggregate, parser().parse_args(argv))


def _aggregate(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.dormant import dormancy_lines
    from redo_lab.analysis.figures.automatic import drawings
    from redo_lab.analysis.figures.base import Source, caption, save
    from redo_lab.analysis.recipes import of_aggregate
    from redo_lab.analysis.summary import summary_of, write_csv, write_texts

    table = table_of(arguments)
    score_table = scores_of(arguments, table)
    check_names(arguments, score_table)
    resampling = resampling_of(arguments)
    summary = summary_of(score_table, table, arguments.metric, resampling)
    output = arguments.output or folder_of(arguments)
    files = [output / "aggregate.csv"]
    write_csv(summary, files[0])
    files += write_texts(summary, output, bold=arguments.bold)
    source = Source(score_table, table, resampling)
    figures = of_aggregate(len(score_table.games))
    for file, (name, _, drawing) in zip(figures, drawings(figures.values(), source), strict=True):
        if isinstance(drawing, str):
            print(printable(f"not drawn: {name}: {drawing}"))
        else:
            files += save(drawing, caption(score_table, drawing), output, file, ["png"])
    _print(summary, dormancy_lines(score_table, table, resampling), files)


def _print(summary: Summary, dormancy: list[str], files: list[Path]) -> None:
    from rich.console import Console

    from redo_lab.analysis.summary import as_table
    from redo_lab.runs.terminal import width_of

    console = Console(width=width_of(Console(), FILE_WIDTH), highlight=False, soft_wrap=False)
    console.print(as_table(summary, narrow=console.width < NARROW_COLUMNS))
    lines = [*dormancy, *(f"left out: {cell}" for cell in summary.score_table.left_out)]
    lines += [f"warning: {warning}" for warning in summary.score_table.warnings()]
    label = summary.score_table.label
    lines.append(f"score of a run: mean of the last 10 % of its evaluations (at least one), as {label}")
    lines.append(f"written to {files[0].parent}: {', '.join(file.name for file in files)}")
    print(printable("\n".join(lines)))
