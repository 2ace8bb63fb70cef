"""Short names for the runs of a sweep, from what varies between them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from redo_lab.runs.about import initials

NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?")


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
    """A key at the root says enough by its initials, or nothing where its value is a word; others keep their end."""
    key, _, value = override.partition("=")
    key, value = key.lstrip("+"), value.strip("'\"")
    if "." in key:
        return f"{key.rpartition('.')[2]}={value}"
    if NUMBER.fullmatch(value):
        return initials(key) + value
    return value.strip("[]").replace("'", "").replace(",", "+").rpartition("/")[2]
