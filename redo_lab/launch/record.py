"""What was asked of a scheduler, kept beside the runs: `<root>/<experiment>/sweeps/<id>.json`, a file per submission.

It is written before the first job goes in and again after every one, so that a submission which is cut off says which
runs have a job. What became of the runs is not here: that is in the runs' own directories.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from redo_lab.runs.atomic import write_json

FOLDER = "sweeps"


@dataclass(frozen=True)
class SweepRun:
    """A run of the sweep; directory: absolute; name: short, of what varies; overrides: the words of its job."""

    run_id: str
    directory: str
    name: str
    env_steps: int
    overrides: list[str]


@dataclass
class Sweep:
    """One submission. settings: of the launcher; jobs: Slurm's job id (`123_4` in an array) → the run ids in it."""

    id: str
    created: float
    words: list[str]
    code: dict[str, Any]
    snapshot: str | None
    settings: dict[str, Any]
    runs: list[SweepRun]
    jobs: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, words: Sequence[str], code: Mapping[str, Any], settings: Mapping[str, Any], runs: Sequence[SweepRun]
    ) -> Sweep:
        """A sweep of now, under an id of its own; nothing is written."""
        now = time.time()
        identifier = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{uuid.uuid4().hex[:4]}"
        return cls(identifier, now, list(words), dict(code), None, dict(settings), list(runs))

    @property
    def folder(self) -> Path:
        """`<root>/<experiment>/sweeps` of the first run."""
        return Path(self.runs[0].directory).parent / FOLDER

    @property
    def path(self) -> Path:
        """Where `write` puts it."""
        return self.folder / f"{self.id}.json"

    def write(self) -> None:
        """It is on disk as it is now; atomic."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Sweep:
        """What `write` wrote; ValueError names a file that is no such record."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**values, "runs": [SweepRun(**run) for run in values["runs"]]})
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is not the record of a sweep: {error}") from error


def sweeps_below(paths: Iterable[Path]) -> list[Sweep]:
    """The sweeps recorded at or below `paths`, which may be roots, experiments or runs; oldest first."""
    found: dict[Path, None] = {}
    for path in paths:
        for directory, below, _ in os.walk(path):
            if FOLDER in below:
                found |= dict.fromkeys(sorted((Path(directory) / FOLDER).resolve().glob("*.json")))
            # A run's directory holds no sweeps, and its checkpoints many files.
            below[:] = [name for name in below if name != FOLDER and not (Path(directory) / name / "run.json").exists()]
    return sorted(map(Sweep.read, found), key=lambda sweep: sweep.created)


def jobs_of(sweeps: Iterable[Sweep]) -> dict[Path, str]:
    """The newest job of every run directory that ever had one; `sweeps` oldest first."""
    jobs: dict[Path, str] = {}
    for sweep in sweeps:
        directories = {run.run_id: Path(run.directory) for run in sweep.runs}
        jobs |= {directories[run_id]: job for job, run_ids in sweep.jobs.items() for run_id in run_ids}
    return jobs
