"""The labels of a run in W&B: its id, name, group and tags, from the axes of its study."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redo_lab.runs import wandb_files
from redo_lab.runs.about import initials

MAX_NAME_LENGTH = 128
"""W&B refuses longer ids, names and groups."""

MAX_TAG_LENGTH = 64


def group(axes: Mapping[str, Any]) -> str:
    """What all seeds of one cell share, and no other cell has: `dqn-nature-atari-breakout-rr1-redo-paper`."""
    return _shortened("-".join(tags(axes)), MAX_NAME_LENGTH - len("-seed0000000000"))


def name(run: Mapping[str, Any]) -> str:
    """The name in run.json; one from the axes where there is none."""
    return _shortened(run.get("name") or f"{group(run['axes'])}-seed{run['axes']['seed']}", MAX_NAME_LENGTH)


def tags(axes: Mapping[str, Any]) -> list[str]:
    """One word an axis, the seed left out: `breakout`, numbers after the axis' initials (`rr1`), `augment=true`."""
    return [_shortened(_word(axis, value), MAX_TAG_LENGTH) for axis, value in axes.items() if axis != "seed"]


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
