"""W&B's own terminal viewer, `wandb leet`, on all W&B runs below a folder at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redo_lab.runs import wandb_files

COMMAND = (sys.executable, "-P", "-m", "wandb", "leet")


def board_files(root: Path) -> list[Path]:
    """W&B's files at or below `root`, of offline and online attempts, newest first; ValueError if there are none."""
    if not root.is_dir():
        raise ValueError(f"{root}: {'not a directory' if root.exists() else 'no such directory'}")
    files = wandb_files.files(root.absolute())
    if not files:
        raise ValueError(f"{root}: holds no W&B runs; runs have them with logger=wandb_offline, the default, or wandb")
    return files[::-1]


@contextmanager
def gathered(files: list[Path]) -> Iterator[Path]:
    """One folder with a link to the folder of each file: the viewer shows the runs of a single folder."""
    with tempfile.TemporaryDirectory(prefix="redo-lab-board-") as name:
        folder = Path(name) / "wandb"
        folder.mkdir()
        for path in files:
            link = folder / path.parent.name
            while link.exists():
                # The same run in two roots, begun in the same second.
                link = link.with_name(f"{link.name}-again")
            link.symlink_to(path.parent, target_is_directory=True)
        yield folder


def show(files: list[Path]) -> int:
    """The viewer's exit code. Nothing leaves this machine: in W&B's offline mode the viewer reports no use of it."""
    with gathered(files) as folder:
        return subprocess.run(
            [*COMMAND, str(folder)], env={**os.environ, "WANDB_MODE": "offline"}, check=False
        ).returncode
