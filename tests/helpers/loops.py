"""Short online reinforcement learning without an attempt around it."""

from __future__ import annotations

from typing import Any

import torch

from redo_lab.plan import CheckedRun
from redo_lab.seeding import Seeds
from redo_lab.state_bytes import decode, encode
from redo_lab.studies.loop import Loop
from tests.helpers.composing import composed
from tests.helpers.journals import Noted

WORDS = ["env=minatar/breakout", "scale=smoke", "network.width=0.25", "probe=none", "evaluation=episodes"]


def copied(loop: Loop) -> Any:
    """Its state, as a checkpoint has it: nothing shared."""
    return decode(encode(loop.state_dict()), torch.device("cpu"))


def start(*words: str) -> tuple[Loop, Noted]:
    journal = Noted()
    study = CheckedRun.of(composed(*WORDS, *words)[0]).study
    loop = study.start(Seeds(0), torch.device("cpu"), journal)
    assert isinstance(loop, Loop)
    return loop, journal


def run(loop: Loop) -> None:
    for _ in loop.steps():
        pass
