"""Which run a config asks for: a function of what changes its results, never of the clock."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PLACE = ("root", "experiment", "device", "threads", "logger", "progress", "checkpoint", "force")
"""Where and how a run goes."""

WHEREABOUTS = ("folder", "download")
"""Settings of a part that say where its data lie; what they are counts."""

EXECUTION = ("compile", "device")
"""Settings of a part that say how and where its numbers are computed; only their rounding depends on it."""

LATER = {"precision": "fp32", "act_ahead": False}
"""Settings that runs had no choice of once, and the value that they went by: with it a run is the same as then."""

FREE = (*PLACE, "dry_run", "objective", "probes", "scale", "shared")
"""Keys that don't change a run's results. What scale and shared change shows in the parts that they set."""

UNNAMED = (*(key for key in FREE if key != "shared"), "seed", "study", "probe", "hydra")
"""Keys and groups that name nothing: they change no results, or the run is named by the seed and the axes anyway."""

PACKAGES = ("redo_lab", "torch", "numpy", "scikit-learn", "hydra-core", "gymnasium", "ale-py", "mujoco", "minatar")


def relevant(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that results depend on."""
    return {key: _placeless(value) for key, value in plain.items() if key not in FREE}


def _placeless(value: Any) -> Any:
    """Without keys that end in _seconds, WHEREABOUTS and EXECUTION, and those of LATER that are as they ever were.

    No result depends on the clock on the wall, on a path or on the processor.
    """
    if not isinstance(value, Mapping):
        return value
    free = (*WHEREABOUTS, *EXECUTION)
    kept = {
        key: inner
        for key, inner in value.items()
        if not str(key).endswith("_seconds") and key not in free and (key, inner) not in LATER.items()
    }
    return {key: _placeless(inner) for key, inner in kept.items()}


def digest(plain: Mapping[str, Any]) -> str:
    """Ten hex digits that differ whenever the results may."""
    return hashlib.sha256(json.dumps(relevant(plain), sort_keys=True).encode()).hexdigest()[:10]


def changes(
    plain: Mapping[str, Any], choices: Mapping[str, str], axes: Mapping[str, Any], words: Sequence[str]
) -> dict[str, Any]:
    """What `words` (Hydra's overrides) change of a run's results beside its axes: {"agent.learning_rate": 0.001}."""
    named = {str(value) for value in axes.values()}
    changed: dict[str, Any] = {}
    for key in (word.partition("=")[0].lstrip("+").partition("@")[0] for word in words):
        if key in axes or re.split(r"[./]", key)[0] in UNNAMED:
            continue
        value = choices[key] if key in choices else _at(plain, key)
        if not (value is None or isinstance(value, Mapping) or named.issuperset(str(value).split("/"))):
            changed[key] = value
    return changed


def _at(tree: Any, key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


@functools.cache
def code_version() -> dict[str, Any]:
    """The git commit of this code and whether its files differ from it, at the first call; None outside a checkout.

    Files that git doesn't track (results, notes) don't count.
    """
    here = Path(__file__).parent
    commit = _git(here, "rev-parse", "HEAD")
    changes = _git(here, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if commit is None else bool(changes)}


@functools.cache
def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None
