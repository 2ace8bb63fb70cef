"""`redo-lab sweep NAME`: every run of a figure, or of a sweep file of one's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from redo_lab.paths import folders, shipped

SWEEPS = shipped("sweeps")
HELP = """usage: redo-lab sweep NAME [word …]

NAME is one of those below or the path of a YAML file. Words are those of `redo-lab train`, and replace the axis or the
override of the same key: redo-lab sweep fig1 scale=laptop seed=0,1 hydra/launcher=slurm
The same command again does what is missing.
"""


def main(argv: Sequence[str]) -> int:
    """`redo-lab train -m`'s exit code; 2 if there is no such sweep."""
    name, *words = [*argv] or ["--help"]
    if name in ("-h", "--help", "--list"):
        print(HELP if name != "--list" else "", end="")
        print("\n".join(described()))
        return 0
    named = "/" not in name and not name.endswith((".yaml", ".yml"))
    path = _files().get(name) if named else Path(name)
    if path is None or not path.is_file():
        from redo_lab.config import nearest

        print(f"redo-lab sweep: no sweep '{name}': {nearest(name, names())}", file=sys.stderr)
        return 2
    from redo_lab.commands.again import with_way_on
    from redo_lab.commands.train import compose

    file = f"hydra.sweeper.file='{path.resolve()}'"
    return with_way_on(compose(["-m", *words], ("sweep", name), [file]), "sweep", argv)


def names() -> list[str]:
    """The sweeps that come with redo_lab, and those in the user's own folders."""
    return sorted(_files())


def described() -> list[str]:
    """A line for each of them: its name and the first line of its file."""
    width = max(map(len, names()), default=0) + 2
    return [f"  {name:<{width}}{_heading(path)}" for name, path in sorted(_files().items())]


def _files() -> dict[str, Path]:
    return {path.stem: path for folder in reversed(folders("sweeps")) for path in folder.glob("*.yaml")}


def _heading(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
