"""What goes to W&B with a run beside its numbers: the lock file of the code, videos, and its last checkpoint."""

from __future__ import annotations

import re
import shutil
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redo_lab.loggers.wandb.history import Moment
from redo_lab.paths import LOCK
from redo_lab.runs import video
from redo_lab.runs.manifest import Manifest, manifests

if TYPE_CHECKING:
    import wandb

CHECKPOINT = "checkpoint"
"""The type of the artifact, and the folder of checkpoints in a run directory."""
VIDEO = "video/training"
"""Its name in the history."""
TRAINING_VIDEO = re.compile(r"step(\d+)-training.*\.mp4")
BESIDE = ("config.yaml", "run.json")
"""Without them a checkpoint says nothing."""


def add_lock_file(run: wandb.Run) -> None:
    """The files of `run` have the lock file of the checkout that it was done with; a wheel has none."""
    if LOCK.is_file():
        shutil.copyfile(LOCK, Path(run.dir) / LOCK.name)


def add_videos(run: wandb.Run, directory: Path, moments: Sequence[Moment], sent: Container[int]) -> None:
    """The games that were filmed while the run trained are in its history, each at its agent step; not those `sent`.

    moments: of the metrics, in order; a video is where the last one before it was on the clock of updates.
    """
    import wandb

    named = [(TRAINING_VIDEO.fullmatch(path.name), path) for path in (directory / video.FOLDER).glob("step*.mp4")]
    for env_steps, path in sorted((int(match[1]), path) for match, path in named if match):
        if env_steps not in sent:
            updates = max((moment[1] for moment in moments if moment[0] <= env_steps), default=0)
            film = wandb.Video(str(path), format="mp4", caption=path.stem)
            run.log({VIDEO: film, "env_steps": env_steps, "updates": updates})


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
