"""The words that `aggregate`, `figure` and `report` share: which runs, what a method is, how intervals are drawn."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.analysis import sheet
from redo_lab.analysis.schemes import RAO_WU, SCHEMES
from redo_lab.runs.reading import printable

if TYPE_CHECKING:
    from redo_lab.analysis.bootstrap import Resampling
    from redo_lab.analysis.normalise import Normalisation
    from redo_lab.analysis.score_table import ScoreTable
    from redo_lab.runs.table import Table

ROOT = Path("runs")
REPETITIONS = 50_000


def add_selection(parser: argparse.ArgumentParser, *, runs: str = "+") -> None:
    """The options of the three verbs; imports nothing heavy."""
    parser.add_argument(
        "runs", nargs=runs, type=Path, metavar="RUNS", help="run directory, experiment, or root of many"
    )
    parser.add_argument("--from", dest="source", metavar="wandb:ENTITY/PROJECT", help="runs from W&B, or wandb:FOLDER")
    parser.add_argument("--where", metavar="CONDITION", help="only these runs, e.g. 'recycler=redo & replay_ratio>=1'")
    parser.add_argument(
        "--by", nargs="+", metavar="AXIS", help="what tells methods apart (default: the axes that vary)"
    )
    parser.add_argument(
        "--normalisation", choices=("human", "minmax", "none"), help="default: human for Atari, none elsewhere"
    )
    parser.add_argument(
        "--repetitions",
        type=int,
        default=REPETITIONS,
        metavar="N",
        help=f"bootstrap resamples (default: {REPETITIONS})",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")
    parser.add_argument(
        "--interval",
        choices=tuple(SCHEMES),
        help=f"how intervals are drawn; rliable: its percentile scheme (default: {RAO_WU})",
    )
    parser.add_argument("--confidence", type=float, default=0.95, metavar="P", help="of the intervals (default: 0.95)")
    parser.add_argument("--resample-games", action="store_true", help="resample games, too, as if they were a sample")
    parser.add_argument("--paired", action="store_true", help="differences pair the runs of one seed")
    parser.add_argument(
        "--mixed-steps", action="store_true", help="methods may differ in length (equal gradient steps)"
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="go on with what is common, and say what is left out"
    )
    parser.add_argument(
        "--names", nargs="+", default=[], metavar="NAME=TEXT", help='what methods and games are called: redo="ReDo"'
    )
    parser.add_argument(
        "--looks", type=Path, metavar="FILE", help="a YAML file of names, order, colours, titles and games"
    )


def guarded(verb: str, act: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """0, or 2 with the reason on stderr for a mistake in the arguments."""
    try:
        with sheet.applied(sheet.of_words(getattr(arguments, "looks", None), getattr(arguments, "names", ()))):
            act(arguments)
    except (ValueError, OSError) as error:
        print(printable(f"redo-lab {verb}: {error}"), file=sys.stderr)
        return 2
    return 0


def table_of(arguments: argparse.Namespace, default: Path | None = None) -> Table:
    """The runs named by the arguments, or those at `default`, for which --where holds; ValueError if there are none."""
    from redo_lab.runs.table import load

    if arguments.source is not None:
        from redo_lab.runs.wandb_table import load_wandb

        if arguments.runs:
            raise ValueError("--from in place of RUNS, not beside them")
        table = load_wandb(arguments.source)
    elif arguments.runs or default is None:
        table = load(paths_of(arguments))
    else:
        table = load([default])
    return narrowed(table, arguments.where)


def paths_of(arguments: argparse.Namespace) -> list[Path]:
    """The folders named by the arguments; ValueError if there are none."""
    if not arguments.runs:
        raise ValueError("which runs? Give a run directory, an experiment, or a root of many")
    return [_below_root(path) for path in arguments.runs]


def folder_of(arguments: argparse.Namespace, default: str | None = None) -> Path:
    """Where files go without -o: the first RUNS; the project's name or `default` below the runs' root without RUNS."""
    if arguments.runs:
        return paths_of(arguments)[0]
    if arguments.source is not None:
        project: str = arguments.source.rpartition(":")[2].rstrip("/").rpartition("/")[2]
        return ROOT / project
    return ROOT / default if default else paths_of(arguments)[0]


def narrowed(table: Table, condition: str | None, *, absent: bool = False) -> Table:
    """The runs for which `condition` holds, all runs without a condition; ValueError if it holds for none.

    absent: a name that no run has stands for null, else it is a mistake.
    """
    if condition is None:
        return table
    from redo_lab.analysis.where import matching

    matches = matching(condition, table, absent=absent)
    if matches.runs.is_empty():
        raise ValueError(f"no run of {table.runs.height} fulfils --where '{condition}'")
    return matches


def resampling_of(arguments: argparse.Namespace, interval: str | None = None) -> Resampling:
    """How intervals are drawn: as --interval says, else as `interval`, the figure's own, else by the default."""
    from redo_lab.analysis.bootstrap import Resampling

    return Resampling(
        arguments.repetitions,
        arguments.seed,
        arguments.interval or interval or RAO_WU,
        arguments.resample_games,
        arguments.confidence,
        arguments.paired,
        sheet.current().plain,
    )


def normalisation_of(arguments: argparse.Namespace) -> Normalisation | None:
    """The normalisation of --normalisation; None: the suite's own."""
    from redo_lab.analysis.normalise import Normalisation

    return Normalisation(arguments.normalisation) if arguments.normalisation else None


def scores_of(arguments: argparse.Namespace, table: Table, *, mixed_steps: bool = False) -> ScoreTable:
    """The scores of the runs."""
    from redo_lab.analysis.score_table import collect

    score_table = collect(
        table,
        arguments.by,
        normalisation_of(arguments),
        allow_missing=arguments.allow_missing,
        mixed_steps=mixed_steps or arguments.mixed_steps,
    )
    if arguments.paired and len(set(score_table.seeds.values())) > 1:
        each = "; ".join(f"{method}: {', '.join(map(str, seeds))}" for method, seeds in score_table.seeds.items())
        raise ValueError(f"--paired needs the same seeds of every method ({each})")
    return score_table


def check_names(arguments: argparse.Namespace, *score_tables: ScoreTable) -> None:
    """ValueError if --names names what is in none of the tables."""
    methods = [method for table in score_tables for method in table.methods]
    games = [game for table in score_tables for game in table.games]
    sheet.current().check_names(sheet.named(arguments.names), methods, games)


def _below_root(path: Path) -> Path:
    below = ROOT / path
    return below if not path.exists() and below.is_dir() else path
