"""Short distillation from the runs of a folder that has fig8_teachers."""

from __future__ import annotations

from pathlib import Path

import torch

from redo_lab.commands.train import main
from redo_lab.plan import CheckedRun
from redo_lab.seeding import Seeds
from redo_lab.studies.updates import Updates
from tests.helpers.composing import composed
from tests.helpers.journals import Noted

CPU = torch.device("cpu")
TINY = ["study=distill", "scale=smoke", "network=minatar", "network.width=0.25", "training.updates=8"]


def run_of(root: Path, replay_ratio: str) -> Path:
    (directory,) = (root / "fig8_teachers").glob(f"*-rr{replay_ratio}-*")
    return directory


def start(root: Path, *words: str, seed: int = 0) -> tuple[Updates, Noted]:
    journal = Noted()
    plain = composed(*TINY, "probe=none", f"root={root}", *words)[0]
    study = CheckedRun.of(plain).study.start(Seeds(seed), CPU, journal)
    assert isinstance(study, Updates)
    return study, journal


def run(study: Updates) -> None:
    for _ in study.steps():
        pass


def teaching(root: Path) -> str:
    return f"teacher.folder={run_of(root, '0.25')}"


def train(root: Path, folder: Path, *words: str) -> Path:
    given = [f"teacher.folder={run_of(root, '0.25')}", "logger=none", "threads=1", f"root={folder}"]
    assert main([*TINY, *given, *words]) == 0
    (directory,) = (path.parent for path in folder.rglob("run.json"))
    return directory
