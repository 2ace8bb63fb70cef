"""The figures, CSVs and about.json of docs/results, from the runs there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from hydra_plugins.redo_lab_sweeper.grid import values
from redo_lab.analysis.costs import costs
from redo_lab.config import ConfigError
from redo_lab.launch.sweep_file import SweepFile, key_of
from redo_lab.paths import shipped
from redo_lab.runs import about, status
from redo_lab.runs.atomic import write_text
from redo_lab.runs.entry import read_run
from redo_lab.runs.identity import digest
from redo_lab.runs.reading import read_object
from redo_lab.runs.status import State
from redo_lab.runs.table import find_runs
from scripts.composing import composed, hydra_open
from scripts.paper_runs import IDS

if TYPE_CHECKING:
    from scripts.results import Plan

SEED_ELSEWHERE = re.compile(r"\$\{[^}]*\bseed\b")
"""In a config in which more than the seed itself depends on it: Figure 8's agents are those of the same seed."""
REFUSED = 2
"""`redo-lab figure`'s exit code where the runs don't allow a fair comparison: one of the methods has none yet, say."""
Wanted = tuple[str, str]
"""Experiment and identity of a run."""


class Identities:
    """Which runs a sweep asks for, as their run.json has them; jobs that differ in the seed alone are composed once."""

    def __init__(self) -> None:
        self._plain: dict[tuple[str, ...], dict[str, Any]] = {}

    def of(self, sweep: str, words: Sequence[str]) -> list[Wanted]:
        """Each once."""
        jobs = SweepFile.read(shipped("sweeps") / f"{sweep}.yaml").jobs(words, values)
        with hydra_open():
            return list(dict.fromkeys(map(self._of, jobs)))

    def _of(self, job: Sequence[str]) -> Wanted:
        (seed,) = [word.partition("=")[2] for word in job if key_of(word) == "seed"]
        others = tuple(word for word in job if key_of(word) != "seed")
        if others not in self._plain:
            config, plain, _ = composed(job)
            if SEED_ELSEWHERE.search(OmegaConf.to_yaml(config)):
                return plain["experiment"], digest(plain)
            self._plain[others] = plain
        plain = self._plain[others]
        return plain["experiment"], digest({**plain, "seed": int(seed)})


def draw_all(plan: Plan, root: Path, output: Path) -> int:
    """Every id with finished runs below `root` has its files below `output`; 1 if one couldn't be drawn."""
    finished = finished_runs(root)
    if not finished:
        print(f"{root} holds no finished run")
        return 0
    identities, failed = Identities(), 0
    for name in IDS:
        files = [shipped(folder) / f"{name}.yaml" for folder in ("sweeps", "figures")]
        if not all(path.is_file() for path in files):
            continue
        try:
            wanted = identities.of(name, [*plan.words, f"root={root}"])
        except ConfigError as error:
            print(f"{name}: not drawn: {error}", flush=True)
            continue
        runs = [finished[run] for run in wanted if run in finished]
        if runs:
            failed |= draw(name, plan, root, output / name, facts(name, plan, runs, len(wanted)))
    return failed


def finished_runs(root: Path) -> dict[Wanted, Path]:
    """The directories of those below `root`."""
    try:
        directories = find_runs([root])
    except ValueError:
        return {}
    runs = {}
    for directory in directories:
        at = status.read(directory)
        if at is not None and at.state is State.FINISHED:
            run = read_object(directory / about.FILE_NAME)
            runs[str(run["experiment"]), str(run["identity"])] = directory
    return runs


def draw(name: str, plan: Plan, root: Path, folder: Path, content: dict[str, Any]) -> int:
    """0: `folder` holds the picture, its numbers, its caption and about.json, each whole, or these runs allow none yet.

    1 if `redo-lab figure` failed otherwise.
    """
    with tempfile.TemporaryDirectory() as temporary:
        # `redo-lab figure` looks for runs below ./runs.
        (Path(temporary) / "runs").symlink_to(root)
        words = ["figure", name, "-o", "drawn", "--format", "png", "--allow-missing", "--where", f"scale={plan.scale}"]
        command = [sys.executable, "-m", "redo_lab.cli", *words]
        done = subprocess.run(command, cwd=temporary, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: not drawn: {done.stderr.strip().rpartition(chr(10))[2]}", flush=True)
            return int(done.returncode != REFUSED)
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted((Path(temporary) / "drawn").iterdir()):
            beside = folder / f".{path.name}.tmp"
            shutil.copyfile(path, beside)
            beside.replace(folder / path.name)
    write_text(folder / "about.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print(f"{name}: {content['finished']} of {content['planned']} runs drawn: {folder}", flush=True)
    return 0


def facts(name: str, plan: Plan, runs: Sequence[Path], planned: int) -> dict[str, Any]:
    """What about.json says: the commands, the runs used, their code, their hours and when this was drawn."""
    records = [record for run in runs if (record := read_run(run)) is not None]
    return {
        "id": name,
        "scale": plan.scale,
        "commands": [f"redo-lab sweep {name} {' '.join(plan.words)}", f"redo-lab figure {name}"],
        "finished": len(runs),
        "planned": planned,
        "seeds": sorted({record.axes["seed"] for record in records}, key=str),
        "code": sorted({str(record.row["code"]) for record in records}),
        "wall_hours": round(float(costs([str(run) for run in runs])["hours"].sum()), 3),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _environment() -> dict[str, str]:
    from scripts.results import environment

    return environment()
