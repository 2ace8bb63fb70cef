"""Each submission to a scheduler, kept beside the runs: `<root>/<experiment>/sweeps/<id>.json`, a file per submission.

It is written before the first job goes in and again after every one, so that a submission which is cut off says which
runs have a job. What became of the runs is not here: that is in the runs' own directories.
"""

from __future__ import annotations

import os
import stat
import time
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from redo_lab.launch.scheduler import JOB_ID
from redo_lab.runs.about import OLD_UNIT
from redo_lab.runs.atomic import write_json
from redo_lab.runs.reading import read_object, warn_once

FOLDER = "sweeps"


@dataclass(frozen=True)
class SweepRun:
    """A run of the sweep, `total` `unit`s long; directory: absolute; name: short, of what varies.

    overrides: the words of its job.
    """

    run_id: str
    directory: str
    name: str
    total: int
    unit: str
    overrides: list[str]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> SweepRun:
        """What a record says of a run, those of versions that knew online RL alone too; ValueError if it is none."""
        texts = {name: values.get(name) for name in ("run_id", "directory", "name")}
        total, words = values.get("total", values.get("env_steps")), values.get("overrides")
        if not (all(isinstance(text, str) for text in texts.values()) and isinstance(total, int)):
            raise ValueError(f"not a run of a sweep: {values!r:.80}")
        if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
            raise ValueError(f"the overrides of a run must be a list of words, got {words!r:.80}")
        return cls(**texts, total=total, unit=str(values.get("unit", OLD_UNIT)), overrides=words)  # type: ignore[arg-type]


@dataclass
class Sweep:
    """One submission. settings: of the launcher; jobs: Slurm's job id (`123_4` in an array) → the run ids in it.

    source: the file that it was read from; None: it is of this process.
    """

    id: str
    created: float
    words: list[str]
    code: dict[str, Any]
    snapshot: str | None
    settings: dict[str, Any]
    runs: list[SweepRun]
    jobs: dict[str, list[str]] = field(default_factory=dict)
    source: Path | None = field(default=None, compare=False)

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
        write_json(self.path, {name: value for name, value in asdict(self).items() if name != "source"})

    @property
    def ours(self) -> bool:
        """Whether it was certainly written by this user, here: a record may also have come with somebody's runs."""
        if self.source is None:
            return True
        at = self.source.stat()
        return (
            at.st_uid == os.geteuid() and not at.st_mode & stat.S_IWOTH and self.source.resolve() == self.path.resolve()
        )

    @classmethod
    def read(cls, path: Path) -> Sweep:
        """What `write` wrote, or an older version did; ValueError names a file that is no such record."""
        values = read_object(path)
        try:
            known = {field.name: values[field.name] for field in fields(cls) if field.name != "source"}
            runs = [SweepRun.of(run) for run in known["runs"]]
            if not runs:
                raise ValueError("it has no runs")
            if not isinstance(known["created"], (int, float)):
                raise ValueError(f"created must be a Unix time, got {known['created']!r:.40}")
            _check_jobs(known["jobs"], {run.run_id for run in runs})
            return cls(**{**known, "runs": runs}, source=path)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is not the record of a sweep: {error}") from error


def sweeps_below(paths: Iterable[Path]) -> list[Sweep]:
    """The sweeps recorded at or below `paths`, which may be roots, experiments or runs; oldest first."""
    records: dict[Path, None] = {}
    for path in paths:
        for directory, below, _ in os.walk(path):
            if FOLDER in below:
                records |= dict.fromkeys(sorted((Path(directory) / FOLDER).resolve().glob("*.json")))
            # A run's directory holds no sweeps, and its checkpoints many files.
            below[:] = [name for name in below if name != FOLDER and not (Path(directory) / name / "run.json").exists()]
    return sorted(_readable(records), key=lambda sweep: sweep.created)


def _readable(paths: Iterable[Path]) -> Iterator[Sweep]:
    for path in paths:
        try:
            yield Sweep.read(path)
        except (ValueError, OSError) as error:
            warn_once(str(error))


def _check_jobs(jobs: Mapping[str, Sequence[str]], run_ids: Container[str]) -> None:
    for job, inside in jobs.items():
        if not JOB_ID.fullmatch(job):
            raise ValueError(f"{job!r:.40} is not the id of a Slurm job")
        strangers = [run_id for run_id in inside if run_id not in run_ids]
        if strangers:
            raise ValueError(f"job {job} has the run {strangers[0]!r:.80}, which is none of this sweep's")


def jobs_of(sweeps: Iterable[Sweep]) -> dict[Path, str]:
    """The newest job of every run directory that ever had one; `sweeps` oldest first."""
    jobs: dict[Path, str] = {}
    for sweep in sweeps:
        directories = {run.run_id: Path(run.directory) for run in sweep.runs}
        jobs |= {directories[run_id]: job for job, run_ids in sweep.jobs.items() for run_id in run_ids}
    return jobs
