"""Small finished runs of DQN that kept their replay, for studies that learn from them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from redo_lab.commands.train import main
from redo_lab.runs import status
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.manifest import Manifest
from redo_lab.runs.status import State
from tests.helpers.composing import planned

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


def stand_in(root: Path, *words: str) -> Path:
    """What passes for a finished teacher until its checkpoint is read; `words` are those of `redo-lab train`."""
    plan = planned(*words, "checkpoint.final_replay=true", "experiment=fig8_teachers", f"root={root}")
    plan.write()
    total = plan.study.total
    finished = replace(status.blank(total, plan.study.unit), state=State.FINISHED, done=total)
    status.write(plan.directory, finished)
    digest = 64 * "0"
    state, segment = (
        PartFile(f"{total}-{digest[:12]}.state", 0, digest),
        PartFile(f"{0:012d}-{1:012d}.segment", 0, digest),
    )
    (plan.directory / "checkpoint").mkdir()
    (plan.directory / "checkpoint" / f"{total}.json").write_bytes(Manifest(total, state, (segment,), {}).encode())
    return plan.directory


def stand_ins(root: Path, scale: str = "paper") -> None:
    """Below `root` lie the two agents of Fig. 8 that a run of the seed 0 learns from at that scale."""
    env = "atari/demon_attack" if scale == "paper" else "minatar/breakout"
    for ratio in ("0.25", "1"):
        stand_in(root, f"env={env}", f"replay_ratio={ratio}", f"scale={scale}")
