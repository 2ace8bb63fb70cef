"""Which run a config asks for: a function of what changes its results, never of the clock."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

FREE = ("root", "experiment", "device", "threads", "logger", "progress", "checkpoint", "force", "scale", "schedule")
"""Keys that don't change a run's results. What scale and schedule change shows in the parts that they set."""

PACKAGES = ("redo_lab", "torch", "numpy", "hydra-core", "gymnasium", "ale-py", "mujoco", "minatar")


def relevant(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that results depend on."""
    kept = {key: value for key, value in plain.items() if key not in FREE}
    if "env" in kept:
        kept["env"] = {key: value for key, value in plain["env"].items() if key != "timeout_seconds"}
    return kept


def digest(plain: Mapping[str, Any]) -> str:
    """Ten hex digits that differ whenever the results may."""
    return hashlib.sha256(json.dumps(relevant(plain), sort_keys=True).encode()).hexdigest()[:10]


def axes(plain: Mapping[str, Any], choices: Mapping[str, Any], game: str) -> dict[str, Any]:
    """What a sweep varies, by name; `choices` are those of Hydra's groups, `game` the environment's own name."""
    return {
        "agent": choices["agent"],
        "network": choices["network"],
        "suite": plain["env"]["suite"],
        "game": game,
        "replay_ratio": plain["training"]["replay_ratio"],
        "recycler": "+".join(plain["recyclers"]) or "none",
        "scale": choices["scale"],
        "seed": plain["seed"],
    }


def run_id(axes: Mapping[str, Any], digest: str) -> str:
    """Readable parts and the digest: `dqn-breakout-rr1-redo-s3-0a1b2c3d4e`."""
    ratio = f"rr{axes['replay_ratio']:g}"
    return "-".join([axes["agent"], axes["game"], ratio, axes["recycler"], f"s{axes['seed']}", digest])


@functools.cache
def code_version() -> dict[str, Any]:
    """The git commit of this code and whether files differ from it, at the first call; None where it is no checkout."""
    here = Path(__file__).parent
    commit = _git(here, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": None if commit is None else bool(_git(here, "status", "--porcelain"))}


@functools.cache
def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
