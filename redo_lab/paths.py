"""Where files lie: those that come with redo_lab (in a wheel inside it, in a checkout beside it) and the user's own."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
USER_CONF = "REDO_LAB_CONF"
"""The environment variable with the user's own conf folders, as PATH has them; `redo-lab --conf` sets it."""


def shipped(folder: str) -> Path:
    """The folder `conf`, `sweeps` or `figures` that came with this redo_lab."""
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def user_conf() -> tuple[Path, ...]:
    """The user's own conf folders; what this process starts, jobs on other machines included, sees the same."""
    return tuple(Path(folder) for folder in os.environ.get(USER_CONF, "").split(os.pathsep) if folder)


def conf_folders() -> tuple[Path, ...]:
    """Where options are looked for, in order."""
    return (shipped("conf"), *user_conf())


def folders(name: str) -> tuple[Path, ...]:
    """The shipped folder `sweeps` or `figures`, then those in the user's own conf folders."""
    return (shipped(name), *(conf / name for conf in user_conf()))
