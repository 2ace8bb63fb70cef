"""Tab completion of verbs, sweeps, figures, groups and keys: `eval "$(redo-lab -sc install=bash)"` turns it on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from redo_lab.paths import take_conf

NAMED = ("sweep", "figure")
"""Verbs whose first word is a name."""


def main(words: Sequence[str], verbs: Iterable[str]) -> int:
    """Answers `-sc install=<shell>` and the queries of the script that it printed."""
    if "query=" not in "".join(words):
        return _hydra(words)
    program, *typed = os.environ.get("COMP_LINE", "").split(" ")
    try:
        line = [program, *take_conf(typed)]
    except ValueError:
        return 0
    if len(line) == 1:
        return 0
    if len(line) == 2:
        print(" ".join(verb for verb in verbs if verb.startswith(line[1])))
        return 0
    if line[1] in NAMED and len(line) == 3:
        print(" ".join(name for name in _names(line[1]) if name.startswith(line[2])))
        return 0
    if line[1] not in ("train", "sweep"):
        return 0
    chosen = _options(line[-1])
    if chosen:
        print(" ".join(chosen))
        return 0
    os.environ["COMP_LINE"] = " ".join([line[0], *line[3 if line[1] == "sweep" else 2 :]])
    os.environ["COMP_POINT"] = str(len(os.environ["COMP_LINE"]))
    return _hydra(words)


def _names(verb: str) -> list[str]:
    from redo_lab.analysis.recipes import names as figures
    from redo_lab.commands.sweep import names as sweeps

    return sweeps() if verb == "sweep" else figures()


def _options(word: str) -> list[str]:
    """The options of a group that go on from `word`, nested ones too, which Hydra itself doesn't complete."""
    from redo_lab.options import groups, options

    group, equals, start = word.partition("=")
    if not equals or group not in groups():
        return []
    return sorted(f"{group}={option}" for option in options(group) if option.startswith(start))


def _hydra(words: Sequence[str]) -> int:
    from redo_lab.commands.train import compose_and_run

    sys.argv = ["redo-lab", *words]
    compose_and_run()
    return 0
