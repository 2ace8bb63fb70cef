"""`redo-lab aggregate`: runs to a table in the terminal, a CSV and a few figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis.selection import add_selection, guarded, resampling_of, study_of, table_of

if TYPE_CHECKING:
    from redo_lab.analysis.summary import Summary

METRICS = ("iqm", "median", "mean", "optimality_gap")
NARROW_COLUMNS = 130
FEW_GAMES = 4
"""So many get a panel each."""


def parser() -> argparse.ArgumentParser:
    """The options of the verb; making it imports nothing heavy."""
    made = argparse.ArgumentParser(
        "redo-lab aggregate", description="Aggregates final scores over runs × games, per method."
    )
    add_selection(made, runs="*")
    made.add_argument("-o", "--output", type=Path, metavar="DIR", help="where the files go (default: the first RUNS)")
    made.add_argument(
        "--metric", nargs="+", choices=METRICS, default=METRICS, help="columns of the table (default: all)"
    )
    return made


def main(argv: Sequence[str]) -> int:
    """Aggregates the runs that `argv` names; 0, or 2 with the reason on stderr when they cannot be aggregated."""
    return guarded("aggregate", _aggregate, parser().parse_args(argv))


def _aggregate(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.figures.base import Source, save
    from redo_lab.analysis.recipes import read
    from redo_lab.analysis.summary import summary_of, write_csv

    table = table_of(arguments)
    study = study_of(arguments, table)
    resampling = resampling_of(arguments)
    summary = summary_of(study, table, arguments.metric, resampling)
    output = arguments.output or (arguments.runs[0] if arguments.runs and arguments.runs[0].is_dir() else Path())
    files = [output / "aggregate.csv"]
    write_csv(summary, files[0])
    source = Source(study, table, resampling)
    few = len(study.games) <= FEW_GAMES
    figures = {"iqm": "iqm", "curves": "learning_curves" if few else "efficiency"}
    if few and summary.threshold is not None:
        figures["dormancy"] = "dormancy"
    for name, figure in figures.items():
        files += save(read(figure).kind.draw(source), study, output, name, ["png"])[:1]
    _print(summary, files)


def _print(summary: Summary, files: list[Path]) -> None:
    from rich.console import Console

    from redo_lab.analysis.summary import as_table

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=False)
    console.print(as_table(summary, narrow=console.width < NARROW_COLUMNS))
    for cell in summary.study.left_out:
        print(f"left out: {cell}")
    for warning in summary.study.warnings():
        print(f"warning: {warning}")
    label = summary.study.normalisation.label
    print(f"score of a run: mean of the last 10 % of its evaluations (at least one), as {label}")
    print("written: " + ", ".join(map(str, files)))
