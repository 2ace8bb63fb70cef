"""The labels of a run in W&B: its id, name, group and tags, from its axes and from what else was changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redo_lab.runs import wandb_files
from redo_lab.runs.about import initials
from redo_lab.runs.distinction import words

MAX_NAME_LENGTH = 128
"""W&B refuses longer ids, names and groups."""

MAX_TAG_LENGTH = 64


def group(run: Mapping[str, Any]) -> str:
    """What all seeds of one cell share, and no other cell and experiment has.

    `demo_grid-dqn-nature-atari-breakout-rr1-redo-paper`, then what was changed beside the axes, `lr0.001`.
    """
    parts = [run["experiment"], *_axis_words(run["axes"]), *(word.replace(" ", "") for word in _changes(run))]
    return _shortened("-".join(parts), MAX_NAME_LENGTH)


def name(run: Mapping[str, Any]) -> str:
    """The name in run.json, then once what it doesn't: `dqn breakout rr1 redo s0 (lr 0.001, nature, atari, demo_grid)`.

    An old run without a name has one from its axes.
    """
    axes = run["axes"]
    own = run.get("name") or " ".join([*_axis_words(axes), f"s{axes['seed']}"])
    rest = [_word(axis, value) for axis, value in axes.items() if axis != "seed" and value != "none"]
    parts = [*_changes(run), *(word for word in rest if word not in own.split()), run["experiment"]]
    return _shortened(f"{own} ({', '.join(dict.fromkeys(parts))})", MAX_NAME_LENGTH)


def tags(run: Mapping[str, Any]) -> list[str]:
    """One word an axis, the seed left out: `breakout`, numbers after the axis' initials (`rr1`), `augment=true`.

    Then one for each change beside the axes: `lr 0.001`.
    """
    return [_shortened(word, MAX_TAG_LENGTH) for word in dict.fromkeys([*_axis_words(run["axes"]), *_changes(run)])]


def run_id(directory: Path, run: Mapping[str, Any]) -> str:
    """The id under which W&B has the run in `directory`; a new one names its experiment."""
    earlier = wandb_files.files(directory / "wandb")
    if earlier:
        return earlier[-1].stem.removeprefix("run-")
    return safe_id(f"{run['experiment']}.{run['run_id']}{_anew(directory)}")


def safe_id(name: str) -> str:
    """`name` in the characters and the length that W&B takes; distinct names stay distinct."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    return _shortened(name, MAX_NAME_LENGTH) if safe == name else _with_digest(safe, name, MAX_NAME_LENGTH)


def _anew(directory: Path) -> str:
    """A suffix where earlier runs of this directory were put aside (force=true), which have W&B runs of their own."""
    aside = len(list(directory.parent.glob(f"{directory.name}.old-*")))
    return f"-{aside + 1}" if aside else ""


def _axis_words(axes: Mapping[str, Any]) -> list[str]:
    return [_word(axis, value) for axis, value in axes.items() if axis != "seed"]


def _changes(run: Mapping[str, Any]) -> list[str]:
    """What was changed beside the axes; runs of older versions don't say."""
    return [words(key, value) for key, value in run.get("changes", {}).items()]


def _word(axis: str, value: object) -> str:
    if isinstance(value, str) and value not in ("", "none"):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{initials(axis)}{value:g}"
    return f"{axis}={str(value).lower()}"


def _shortened(name: str, length: int) -> str:
    return name if len(name) <= length else _with_digest(name, name, length)


def _with_digest(start: str, whole: str, length: int) -> str:
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return f"{start[: length - 1 - len(digest)]}-{digest}"
