"""`redo-lab sync ROOT`: uploads the offline W&B runs below it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.launch.choose import ROOT, guarded

if TYPE_CHECKING:
    from redo_lab.launch.wandb_sync import OfflineRun, Upload

RUNS_AT_ONCE = 4


def main(argv: Sequence[str]) -> int:
    """0: W&B has everything; 1: something could not be uploaded; 2: no such folder, no offline runs, no key."""
    command_line = argparse.ArgumentParser(
        "redo-lab sync",
        description="Uploads offline W&B runs, several at once, the attempts at each in their order. It can be stopped "
        "and called again: files that W&B has whole are left out. Runs that go on are left for later.",
    )
    command_line.add_argument(
        "root", nargs="?", type=Path, default=ROOT, metavar="ROOT", help="a root, an experiment or a run directory"
    )
    command_line.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    command_line.add_argument(
        "-n", type=int, default=RUNS_AT_ONCE, metavar="N", help=f"runs at once (default: {RUNS_AT_ONCE})"
    )
    command_line.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="for one attempt's file (default: 600)"
    )
    return guarded("sync", _sync, command_line.parse_args(argv))


def _sync(arguments: argparse.Namespace) -> int:
    from redo_lab.config import require
    from redo_lab.launch.wandb_sync import Uploads, offline_runs
    from redo_lab.runs.reading import printable

    require(arguments.n >= 1, f"-n must be ≥ 1, got {arguments.n}")
    require(arguments.timeout > 0, f"--timeout must be > 0, got {arguments.timeout}")
    runs = offline_runs(arguments.root)
    before = sum(not run.pending for run in runs)
    pending = [run for run in runs if run.pending and not run.running]
    if arguments.dry_run:
        for run in pending:
            print(printable(f"would upload {_named(run, len(run.pending))}"))
    elif pending:
        _require_key()
    results = [] if arguments.dry_run else _shown(Uploads(arguments.n, arguments.timeout).results(pending))
    uploaded = sum(result.problem is None for result in results)
    failed = len(results) - uploaded
    counts = {
        "to upload": len(pending) if arguments.dry_run else 0,
        "uploaded": uploaded,
        "not uploaded": failed,
        "uploaded before": before,
        "still running": len(runs) - before - len(pending),
    }
    print(", ".join(f"{count} {word}" for word, count in counts.items() if count))
    return 1 if failed else 0


def _shown(results: Iterable[Upload]) -> list[Upload]:
    """All `results`, each printed when it comes."""
    from redo_lab.loggers.wandb.login import without_key
    from redo_lab.runs.reading import printable

    shown = []
    for result in results:
        where = f" → {result.address}" if result.address else ""
        if result.problem is None:
            text = f"uploaded {_named(result.run, result.uploaded)}{where}"
        else:
            text = f"not uploaded: {_named(result.run, len(result.run.pending))}: {result.problem}"
        print(printable(without_key(text)), flush=True)
        shown.append(result)
    return shown


def _named(run: OfflineRun, count: int) -> str:
    return f"{run.directory.name} ({count} attempt{'s' if count > 1 else ''})"


def _require_key() -> None:
    from redo_lab.config import ConfigError
    from redo_lab.loggers.wandb import login

    problem = login.problem()
    if problem is not None:
        raise ConfigError(f"{problem}; run `wandb login`")
