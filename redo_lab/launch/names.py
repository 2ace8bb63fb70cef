"""Short names for the runs of a sweep, made of what varies between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

GROUPS = ("agent", "network", "env", "recycler", "regulariser", "probe", "evaluation", "scale", "env.game")
"""Overrides whose value says enough without the key."""

PREFIXES = {"seed": "s", "replay_ratio": "rr"}


def varying(jobs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each job's overrides those that some other job does not have, in their order."""
    common = set[str]().intersection(*jobs[:1]).union(*jobs[:1]).intersection(*jobs)
    return [[override for override in job if override not in common] for job in jobs]


def short_names(jobs: Sequence[Sequence[str]]) -> list[str]:
    """A name for each job's overrides, `breakout redo s1`; different overrides never share a name."""
    varied = varying(jobs)
    names = [" ".join(_short(override) for override in job) for job in varied]
    full = [" ".join(job) for job in varied]
    ambiguous = len(set(names)) < len(set(full))
    return full if ambiguous else names


def _short(override: str) -> str:
    key, _, value = override.partition("=")
    value = value.strip("'\"")
    if key in PREFIXES:
        return PREFIXES[key] + value
    if key in GROUPS:
        return value.strip("[]").replace("'", "").replace(",", "+").rpartition("/")[2]
    return f"{key.lstrip('+').rpartition('.')[2]}={value}"


def short_axes(axes: Mapping[str, Any]) -> str:
    """The name of a run that no sweep has named: `dqn breakout rr1 redo s0`."""
    return f"{axes['agent']} {axes['game']} rr{axes['replay_ratio']:g} {axes['recycler']} s{axes['seed']}"
