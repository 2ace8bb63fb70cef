"""`redo-lab aggregate`: runs to a table in the terminal, a CSV and two figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redo_lab.analysis.summary import Summary

PROGRAM = "redo-lab aggregate"
METRICS = ("iqm", "median", "mean", "optimality_gap")
NARROW_COLUMNS = 130


def parser() -> argparse.ArgumentParser:
    """The options of the verb; making it imports nothing heavy."""
    made = argparse.ArgumentParser(PROGRAM, description="Aggregates final scores over runs × games, per method.")
    made.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="run directory, experiment, or root of many")
    made.add_argument("--output", type=Path, metavar="DIR", help="where the files go (default: the first RUNS)")
    made.add_argument(
        "--metric", nargs="+", choices=METRICS, default=METRICS, help="columns of the table (default: all)"
    )
    made.add_argument("--by", nargs="+", metavar="AXIS", help="axes that tell methods apart (default: those that vary)")
    made.add_argument("--normalisation", choices=("human", "none"), help="default: human for Atari, none elsewhere")
    made.add_argument("--repetitions", type=int, default=2000, metavar="N", help="bootstrap resamples (default: 2000)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")
    made.add_argument("--allow-missing", action="store_true", help="aggregate over what is common to the methods")
    return made


def main(argv: list[str]) -> int:
    """Aggregates the runs that `argv` names; 0, or 2 with the reason on stderr when they cannot be aggregated."""
    arguments = parser().parse_args(argv)
    try:
        _aggregate(arguments)
    except (ValueError, OSError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    return 0


def _aggregate(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.aggregate import Resampling
    from redo_lab.analysis.curves import dormancy_threshold, final_dormancy, panels
    from redo_lab.analysis.normalise import Normalisation
    from redo_lab.analysis.plots import draw_curves, draw_iqm
    from redo_lab.analysis.study import collect
    from redo_lab.analysis.summary import summarise, write_csv
    from redo_lab.runs.names import DORMANT_TOTAL, EVALUATION_RETURN
    from redo_lab.runs.table import load_metrics, load_runs

    resampling = Resampling(arguments.repetitions, arguments.seed)
    normalisation = Normalisation(arguments.normalisation) if arguments.normalisation else None
    runs = load_runs(arguments.runs)
    metrics = load_metrics(runs, names=[EVALUATION_RETURN], prefixes=[DORMANT_TOTAL])
    study = collect(runs, metrics, arguments.by, normalisation, arguments.allow_missing)
    threshold = dormancy_threshold(study, metrics)
    dormancy = final_dormancy(study, metrics, threshold) if threshold is not None else {}
    summary = summarise(study, arguments.metric, threshold, dormancy, resampling)

    output = arguments.output or arguments.runs[0]
    files = [output / name for name in ("aggregate.csv", "iqm.png", "curves.png")]
    write_csv(summary, files[0])
    draw_iqm(study, {method: found["iqm"] for method, found in summary.estimates.items()}, resampling, files[1])
    draw_curves(study, panels(study, metrics, threshold, resampling), resampling, files[2])
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
