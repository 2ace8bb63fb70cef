"""Checkpoints of an older redo_lab, whose states are pickles, become ones that hold data only.

python -m redo_lab.attempt.convert DIRECTORY …

DIRECTORY is a run's. Its pickles are read by torch's restricted unpickler, with NumPy's arrays and scalars allowed
besides: another class or function in one is refused, not imported. A run that another process works on is refused too.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from redo_lab.attempt.state_bytes import StateError, encode
from redo_lab.runs.atomic import write_bytes
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.lease import LeaseHeld, LeaseLost, acquire
from redo_lab.runs.manifest import PICKLED, CheckpointError, Damage, Manifest, manifests, read_verified

STALE_SECONDS = 60.0
FOLDERS = ("checkpoint", "debug")
RECONSTRUCT, SCALAR = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
ALLOWED: list[Any] = [
    *(np.ndarray, np.dtype, RECONSTRUCT, SCALAR),
    # What NumPy 1 called them.
    (RECONSTRUCT, "numpy.core.multiarray._reconstruct"),
    (SCALAR, "numpy.core.multiarray.scalar"),
    *(type(np.dtype(code)) for code in "?bBhHiIlLqQefdFDSU"),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Converts the runs in `argv`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m redo_lab.attempt.convert", description=__doc__)
    parser.add_argument("directory", nargs="+", type=Path)
    code = 0
    for directory in parser.parse_args(argv).directory:
        try:
            print(f"{directory}: {convert(directory)} checkpoints converted")
        except (CheckpointError, LeaseHeld, LeaseLost, OSError) as error:
            print(f"{directory}: {error}", file=sys.stderr)
            code = 2
    return code


def convert(directory: Path) -> int:
    """No checkpoint of the run in `directory` is a pickle any more; how many were. CheckpointError names a bad one."""
    if not directory.is_dir():
        raise CheckpointError("no such directory")
    lease = acquire(directory, stale_seconds=STALE_SECONDS)
    try:
        return sum(
            _convert(directory / name, manifest, lease.check)
            for name in FOLDERS
            for manifest in manifests(directory / name).values()
        )
    finally:
        lease.release()


def _convert(folder: Path, manifest: Manifest | Damage, guard: Callable[[], None]) -> bool:
    if isinstance(manifest, Damage):
        raise CheckpointError(f"{folder}: {manifest}")
    if manifest.format != PICKLED:
        return False
    old = folder / manifest.state.name
    try:
        content = read_verified(old, manifest.state)
        with torch.serialization.safe_globals(ALLOWED):
            state = encode(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    except (Damage, StateError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{old}: {error}") from error
    digest = hashlib.sha256(state).hexdigest()
    file = PartFile(f"{manifest.number}-{digest[:12]}.state", len(state), digest)
    write_bytes(folder / file.name, state, guard)
    converted = Manifest(manifest.number, file, manifest.segments, manifest.facts)
    write_bytes(folder / f"{manifest.number}.json", converted.encode(), guard)
    old.unlink()
    return True


if __name__ == "__main__":
    raise SystemExit(main())
