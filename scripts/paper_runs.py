"""The runs of each figure and table of the paper, from its sweep file: how long they are and which ids share them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hydra_plugins.redo_lab_sweeper.grid import values
from redo_lab.launch.rates import kind_of
from redo_lab.launch.sweep_file import SweepFile, key_of
from redo_lab.paths import shipped
from redo_lab.plan import CheckedRun
from redo_lab.runs.identity import relevant
from scripts.composing import composed, hydra_open
from scripts.stand_ins import stand_ins

IDS = (*(f"fig{number}" for number in range(1, 31)), "table6", "table7")
"""Every figure and table of the paper that holds results."""

MOST_NAMED = 3
DISTILL = "study=distill"


class Run(NamedTuple):
    """A run. identity: the same for two sweeps that share it; kind: what its pace depends on; unit: of its length."""

    identity: str
    kind: str
    total: int
    unit: str
    updates: int


class Composition(NamedTuple):
    """What runs have in common that differ in seed and game alone; words: those of the first that asked for it."""

    digest: str
    kind: str
    total: int
    unit: str
    updates: int
    words: tuple[str, ...]


class Runs:
    """The runs of sweep files; what differs in seed and game alone is composed once."""

    def __init__(self) -> None:
        self.compositions: dict[tuple[str, ...], Composition] = {}

    def of(self, sweep: str, *words: str) -> list[Run]:
        """Each once, as `redo-lab sweep SWEEP words` has them; ConfigError if one can't work."""
        jobs = SweepFile.read(shipped("sweeps") / f"{sweep}.yaml").jobs(words, values)
        with tempfile.TemporaryDirectory() as root:
            if any(DISTILL in job for job in jobs):
                # What passes for the trained agents that Figure 8 needs, which need not be here.
                stand_ins(Path(root))
            with hydra_open():
                runs = [self._run([*job, f"root={root}"]) for job in jobs]
        return list({run.identity: run for run in runs}.values())

    def _run(self, job: Sequence[str]) -> Run:
        given = {key_of(word): word.partition("=")[2].strip("'") for word in job}
        suite, _, game = given.get("env", "").partition("/")
        key = (suite, *sorted(word for word in job if key_of(word) not in ("seed", "env", "experiment", "root")))
        if key not in self.compositions:
            self.compositions[key] = composition([word for word in job if key_of(word) != "experiment"])
        of = self.compositions[key]
        place = (given.get("experiment", "default"), game, given.get("seed", "0"), of.digest)
        return Run(" ".join(place), of.kind, of.total, of.unit, of.updates)


def sharing(runs: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """Of each id, in words, which others have the same runs; empty where none has."""
    sets = {name: {run.identity for run in of} for name, of in runs.items()}
    return {name: _shared(name, sets) for name in sets}


def _shared(name: str, sets: Mapping[str, set[str]]) -> str:
    own = sets[name]
    others = {other: len(own & runs) for other, runs in sets.items() if other != name and own & runs}
    same = [other for other, count in others.items() if count == len(own) == len(sets[other])]
    around = [other for other, count in others.items() if count == len(own) and other not in same]
    parts = [f"the runs of {_named(same)}"] * bool(same) + [f"all of them in {_named(around)}"] * bool(around)
    if not parts and others:
        most = max(others.values())
        parts = [f"{most} also in {_named([other for other, count in others.items() if count == most])}"]
    return "; ".join(parts)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + " …" * (len(names) > MOST_NAMED)


def composition(words: Sequence[str]) -> Composition:
    """Of the run that `words` ask for, while Hydra is open."""
    _, plain, choices = composed(words)
    study = CheckedRun.of(plain).study
    counted = relevant(plain) | {"seed": None, "env": {**plain.get("env", {}), "game": None}}
    digest = hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:12]
    updates = study.planned_updates(plain)
    kind = kind_of(choices["study"], study.axes(choices), plain)
    return Composition(digest, kind, study.total, study.unit, updates, tuple(words))
