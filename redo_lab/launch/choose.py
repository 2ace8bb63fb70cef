"""Which runs a verb is about, as the user names them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from redo_lab.launch.overview import Overview, Row, Standing
from redo_lab.runs.reading import printable

ROOT = Path("runs")
EXIT_MISTAKE = 2
HELP = "a root, an experiment, a run directory, or the name of an experiment (a sweep) below ./runs"


def parser(verb: str, description: str, *, named: bool = False) -> argparse.ArgumentParser:
    """A parser whose first words are the runs: all below ./runs if there are none, unless they must be `named`."""
    command_line = argparse.ArgumentParser(f"redo-lab {verb}", description=description)
    if named:
        command_line.add_argument("paths", nargs="+", type=Path, metavar="RUNS", help=HELP)
    else:
        command_line.add_argument(
            "paths", nargs="*", default=[ROOT], type=Path, metavar="RUNS", help=f"{HELP} (default: runs)"
        )
    command_line.add_argument(
        "--filter", nargs="+", default=[], metavar="TEXT", help="only runs whose id contains each of these words"
    )
    return command_line


def guarded(verb: str, act: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """What `act` returns; 2 with one line on stderr for a mistake of the user, 130 on Ctrl-C."""
    try:
        return act(arguments)
    except (ValueError, OSError) as error:
        print(printable(f"redo-lab {verb}: {error}"), file=sys.stderr)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        return 130


def overview(arguments: argparse.Namespace) -> Overview:
    """What the paths name; ValueError names one that isn't there or holds no runs."""
    return Overview([_existing(path) for path in arguments.paths])


def rows(view: Overview, arguments: argparse.Namespace, states: Sequence[Standing] = ()) -> list[Row]:
    """The chosen runs, as they stand now."""
    return [
        row
        for row in view.rows()
        if all(text in row.run_id for text in arguments.filter) and (not states or row.state in states)
    ]


def _existing(path: Path) -> Path:
    below = ROOT / path
    return below if not path.exists() and below.is_dir() else path
