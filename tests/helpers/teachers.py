"""Small finished runs of DQN that kept their replay, for studies that learn from them."""

from __future__ import annotations

import shutil
from pathlib import Path

from redo_lab.commands.train import main

SMALL = ["env=minatar/breakout", "scale=smoke", "training.iterations=1", "network.width=0.25", "probe=none"]
TEACHER = [*SMALL, "logger=none", "threads=1", "checkpoint.final_replay=true", "experiment=fig8_teachers"]


def teacher(root: Path, *words: str) -> Path:
    """The directory of such a run."""
    before = set(root.rglob("run.json"))
    assert main([*TEACHER, f"root={root}", *words]) == 0
    (file,) = set(root.rglob("run.json")) - before
    return file.parent


def changed(directory: Path, copy: Path, file: str, old: str, new: str) -> Path:
    """A copy of the run whose `file` has `new` in place of `old`."""
    shutil.copytree(directory, copy)
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    return copy
