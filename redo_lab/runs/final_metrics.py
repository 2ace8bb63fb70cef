"""Whether a finished run's metrics are still what they were when it finished."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from redo_lab.runs.atomic import open_regular
from redo_lab.runs.manifest import CheckpointError, Manifest, manifests


def final_metrics_problem(directory: Path) -> str | None:
    """How metrics.csv of a *finished* run differs from what its last checkpoint says; None: not at all, or unknown.

    Unknown: for old runs, whose checkpoints have no digest, and where the checkpoints are gone or damaged.
    """
    try:
        present = manifests(directory / "checkpoint")
    except (CheckpointError, OSError):
        return None
    last = present[max(present)] if present else None
    if not isinstance(last, Manifest) or not isinstance(last.facts.get("metrics_sha256"), str):
        return None
    path, length = directory / "metrics.csv", last.facts.get("metrics_bytes")
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size != length:
                return f"{path} has {size} bytes, but had {length} when the run finished"
            changed = hashlib.file_digest(file, "sha256").hexdigest() != last.facts["metrics_sha256"]
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return f"{path} was changed after the run had finished" if changed else None
