"""Where the files that come with redo_lab lie: in a wheel inside the package, in a checkout beside it."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def shipped(folder: str) -> Path:
    """The folder `conf`, `sweeps` or `figures` that came with this redo_lab."""
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder
