"""Sweeps that are submitted, and an sbatch that is a script."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from redo_lab.commands.train import CONF
from redo_lab.config import parse
from redo_lab.launch.record import Sweep, SweepRun
from redo_lab.launch.slurm import TARGET, Slurm

SETTINGS = OmegaConf.to_container(OmegaConf.load(CONF / "hydra" / "launcher" / "slurm.yaml"))
assert isinstance(SETTINGS, dict)
del SETTINGS["_target_"]
SBATCH = """#!/bin/sh
set -e
count=$(cat {folder}/count 2>/dev/null || echo 0)
count=$((count + 1))
echo $count > {folder}/count
cp "$1" {folder}/sbatch.$count
cp {record}/*.json {folder}/record.$count
[ $count -le {accepted} ] || {{ echo "sbatch: error: AssocMaxSubmitJobLimit" >&2; exit 1; }}
echo "Submitted batch job $((100 + count))"
"""


def config(**changed: Any) -> Slurm.Config:
    found = parse({"_target_": TARGET, **SETTINGS, **changed}, "hydra.launcher")
    assert isinstance(found, Slurm.Config)
    return found


def runs(root: Path, count: int) -> list[SweepRun]:
    made = [
        SweepRun(f"run{n}", str(root / "exp" / f"run{n}"), f"s{n}", 100, "agent steps", [f"seed={n}"])
        for n in range(count)
    ]
    for run in made:
        Path(run.directory).mkdir(parents=True)
    return made


def say(folder: Path, command: str, text: str, code: int = 0) -> None:
    (folder / command).write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    (folder / command).chmod(0o755)


def accept(folder: Path, sweep: Sweep, accepted: int = 1000) -> None:
    (folder / "sbatch").write_text(
        SBATCH.format(folder=folder, record=shlex.quote(str(sweep.folder)), accepted=accepted)
    )
    (folder / "sbatch").chmod(0o755)


def begun(root: Path, count: int, settings: Slurm.Config) -> Sweep:
    return Sweep.begin(["-m", "seed=range(9)"], {"commit": "c", "dirty": False}, vars(settings), runs(root, count))
