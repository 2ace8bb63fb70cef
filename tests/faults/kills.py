"""A run killed again and again equals one that never was."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

from tests.faults.moments import COUNTS, Moment
from tests.faults.runs import KILLED, expect, prepare, require_same, train


def kill_often(words: list[str], root: Path, kills: int, chance: random.Random) -> Counter[str]:
    """How many kills of each kind the run survived; runs that end sooner are compared, and another one is begun."""
    whole = prepare(root / "whole", words)
    expect(train(whole), 0, whole)
    done: Counter[str] = Counter()
    kinds = itertools.cycle(chance.sample(list(COUNTS), len(COUNTS)))
    for turn in itertools.count():
        mended = prepare(root / f"mended{turn}", words)
        while done.total() < kills and (code := train(mended, Moment.draw(chance, kind := next(kinds)).arm)) == KILLED:
            done[kind] += 1
        if done.total() == kills:
            code = train(mended)
        expect(code, 0, mended)
        require_same(mended, whole)
        if done.total() == kills:
            break
    return done
