"""Where files lie: those that come with redo_lab (in a wheel inside it, in a checkout beside it) and the user's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).parent
LOCK = PACKAGE.parent / "requirements.lock"
"""The versions that this code is tested with; in a checkout only."""
USER_CONF = "REDO_LAB_CONF"
"""The environment variable with the user's own conf folders, as PATH has them; `redo-lab --conf` sets it."""


def shipped(folder: str) -> Path:
    """The folder `conf`, `sweeps` or `figures` that came with this redo_lab."""
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def user_conf() -> tuple[Path, ...]:
    """The user's own conf folders; what this process starts, jobs on other machines included, sees the same."""
    return tuple(Path(folder) for folder in os.environ.get(USER_CONF, "").split(os.pathsep) if folder)


def conf_words() -> list[str]:
    """What goes before the verb of a command that is to see the same folders."""
    return [word for folder in user_conf() for word in ("--conf", str(folder))]


def take_conf(words: Sequence[str]) -> list[str]:
    """`words` without the `--conf FOLDER` that they begin with; these folders, absolute, are the user's from now on."""
    rest, named = list(words), list(user_conf())
    while rest[:1] == ["--conf"]:
        if len(rest) < 2:
            raise ValueError("--conf needs a folder")
        named.append(Path(rest[1]).expanduser())
        rest = rest[2:]
    os.environ[USER_CONF] = os.pathsep.join(dict.fromkeys(str(folder.absolute()) for folder in named))
    return rest


def conf_folders() -> tuple[Path, ...]:
    """Where options are looked for, in order."""
    return (shipped("conf"), *user_conf())


def folders(name: str) -> tuple[Path, ...]:
    """The shipped folder `sweeps` or `figures`, then those in the user's own conf folders."""
    return (shipped(name), *(conf / name for conf in user_conf()))
