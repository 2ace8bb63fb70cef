"""`redo-lab export-replay RUN -o FOLDER`: a run's replay in the format of the DQN Replay data set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from redo_lab.analysis.selection import ROOT
from redo_lab.runs.reading import printable


def main(argv: Sequence[str]) -> int:
    """0 written, 1 the disk refused, 2 a mistake in what was asked."""
    parser = argparse.ArgumentParser(
        "redo-lab export-replay",
        description="Writes a run's replay as FOLDER/<game>/<number>/replay_logs, in the format of the DQN Replay data "
        "set, for study=offline data.folder=FOLDER data.run=<number>. Nothing that is there already is changed.",
    )
    parser.add_argument("run", metavar="RUN", help="its directory, or a part of its id that no other run has")
    parser.add_argument("-o", "--output", metavar="FOLDER", type=Path, required=True, help="holds a folder a game")
    parser.add_argument("--number", type=int, default=1, help="of the run in the data set (default: 1)")
    parser.add_argument("--root", type=Path, default=ROOT, help="where to look for the run (default: runs)")
    arguments = parser.parse_args(argv)
    try:
        _export(arguments)
    except ValueError as error:
        print(printable(f"redo-lab export-replay: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        print(printable(f"redo-lab export-replay: {error}"), file=sys.stderr)
        return 1
    return 0


def _export(arguments: argparse.Namespace) -> None:
    from redo_lab.attempt.kept import kept_replay
    from redo_lab.replay.export import write
    from redo_lab.runs.table import run_named

    if arguments.number < 0:
        raise ValueError(f"--number must be ≥ 0, got {arguments.number}")
    kept = kept_replay(run_named(arguments.run, arguments.root))
    folder = arguments.output / kept.game / str(arguments.number) / "replay_logs"
    entries = write(kept.replay, folder)
    print(f"{folder}: {entries} entries, the replay after {kept.env_steps} agent steps")
    if kept.env_steps < kept.newest_env_steps:
        print(
            f"the run goes on to {kept.newest_env_steps} agent steps, but its last checkpoint has no replay: "
            "checkpoint.final_replay=true would have kept it"
        )
