"""What passes for the trained agents that Figure 8 needs, where a study is only to be described, not run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from redo_lab.plan import plan
from redo_lab.runs import status
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.manifest import Manifest
from redo_lab.runs.status import State
from scripts.composing import composed, hydra_open


def stand_in(root: Path, *words: str) -> Path:
    """What passes for a finished teacher until its checkpoint is read; `words` are those of `redo-lab train`."""
    fixed = ["checkpoint.final_replay=true", "experiment=fig8_teachers", f"root={root}"]
    with hydra_open():
        _, plain, choices = composed([*words, *fixed])
    planned = plan(plain, choices)
    planned.write()
    total = planned.study.total
    finished = replace(status.blank(total, planned.study.unit), state=State.FINISHED, done=total)
    status.write(planned.directory, finished)
    digest = 64 * "0"
    state, segment = (
        PartFile(f"{total}-{digest[:12]}.state", 0, digest),
        PartFile(f"{0:012d}-{1:012d}.segment", 0, digest),
    )
    (planned.directory / "checkpoint").mkdir()
    (planned.directory / "checkpoint" / f"{total}.json").write_bytes(Manifest(total, state, (segment,), {}).encode())
    return planned.directory


def stand_ins(root: Path, scale: str = "paper") -> None:
    """Below `root` lie the two agents of Fig. 8 that a run of the seed 0 learns from at that scale."""
    env = "atari/demon_attack" if scale == "paper" else "minatar/breakout"
    for ratio in ("0.25", "1"):
        stand_in(root, f"env={env}", f"replay_ratio={ratio}", f"scale={scale}")
