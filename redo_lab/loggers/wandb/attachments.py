"""What goes to W&B with a run beside its numbers: the lock file of the code, and its last checkpoint if asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.paths import LOCK
from redo_lab.runs.manifest import Manifest, manifests

if TYPE_CHECKING:
    import wandb

CHECKPOINT = "checkpoint"
"""The type of the artifact, and the folder of checkpoints in a run directory."""
BESIDE = ("config.yaml", "run.json")
"""Without them a checkpoint says nothing."""


def add_lock_file(run: wandb.Run) -> None:
    """The files of `run` have the lock file of the checkout that it was done with; a wheel has none."""
    if LOCK.is_file():
        shutil.copyfile(LOCK, Path(run.dir) / LOCK.name)


def add_checkpoint(run: wandb.Run, directory: Path) -> None:
    """The newest checkpoint of the run directory becomes an artifact, laid out as in there; nothing without one."""
    import wandb

    whole = [each for _, each in sorted(manifests(directory / CHECKPOINT).items()) if isinstance(each, Manifest)]
    if not whole:
        return
    newest = whole[-1]
    parts = [f"{newest.number}.json", newest.state.name, *(f"replay/{part.name}" for part in newest.segments)]
    artifact = wandb.Artifact(f"{CHECKPOINT}-{run.id}", type=CHECKPOINT, metadata=dict(newest.facts))
    for name in (*BESIDE, *(f"{CHECKPOINT}/{part}" for part in parts)):
        # A checkpoint is never written to again: it needs no copy in W&B's cache.
        artifact.add_file(str(directory / name), name=name, policy="immutable", skip_cache=True)
    run.log_artifact(artifact, aliases=["final"])
