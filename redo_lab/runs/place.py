"""Where runs lie: which paths are refused before anything starts, and how an old directory makes room."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from redo_lab.config import ConfigError, require
from redo_lab.runs.atomic import DiskFull
from redo_lab.runs.lease import Lease, LeaseHeld, acquire, owner_of
from redo_lab.runs.owner import lives


def check_place(root: str, experiment: str) -> None:
    """ConfigError, naming the key, if the two make no path that every shell, scheduler and config leaves as it is."""
    for key, value in (("root", root), ("experiment", experiment)):
        require(bool(value.strip()), f"{key} must name a folder, got {value!r}")
        require(value.isprintable(), f"{key}={value!r}: control characters (a newline, say) can't be part of it")
        require("${" not in value, f"{key}={value}: `${{` would be read as an interpolation later; call it otherwise")
        require(
            not value.startswith("-"), f"{key}={value}: a leading dash would be read as an option; call it otherwise"
        )
    parts = PurePosixPath(experiment).parts
    require(
        not experiment.startswith("/") and ".." not in parts and bool(parts),
        f"experiment={experiment}: it must be a name, or a path without `..`, below root",
    )


@contextmanager
def writing(root: str | Path) -> Iterator[None]:
    """Within the context, what keeps us from writing below `root` is a ConfigError that says so; DiskFull stays."""
    try:
        yield
    except DiskFull:
        raise
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ConfigError(f"root={root}: can't write there: {error.strerror}{where}; give another root=") from error


def set_aside(directories: Iterable[Path], *, stale_seconds: float) -> None:
    """These are free; what they held is beside them, as `<name>.old-1` or the next number that is free.

    ConfigError if a process works on one of them: then all stay, if a look shows it; an owner on another
    machine is watched for `stale_seconds`, in turn.
    """
    there = [directory for directory in directories if directory.exists()]
    for directory in there:
        owner = owner_of(directory)
        if owner is not None and lives(owner):
            raise _works(f"{directory} is in use by {owner}")
    for directory in there:
        try:
            lease = acquire(directory, stale_seconds=stale_seconds)
        except LeaseHeld as error:
            raise _works(str(error)) from error
        names = (directory.with_name(f"{directory.name}.old-{n}") for n in itertools.count(1))
        aside = directory.rename(next(name for name in names if not name.exists()))
        Lease(aside, lease.owner).release()


def _works(who: str) -> ConfigError:
    return ConfigError(f"force=true: {who}; end that first (redo-lab cancel), or leave it to it")
