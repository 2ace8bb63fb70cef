"""Short names for runs that are shown together, from what varies between them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from redo_lab.runs.about import FILE_NAME, About, initials
from redo_lab.runs.distinction import telling, words
from redo_lab.runs.entry import flattened
from redo_lab.runs.reading import read_object

NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?")


def varying(jobs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each job's overrides those that some other job does not have, in their order."""
    common = set[str]().intersection(*jobs[:1]).union(*jobs[:1]).intersection(*jobs)
    return [[override for override in job if override not in common] for job in jobs]


def short_names(jobs: Sequence[Sequence[str]]) -> list[str]:
    """A name for each job's overrides, `breakout redo s1`; different overrides never share a name.

    Options of one group that end alike (atari/breakout, minatar/breakout) are written whole.
    """
    varied = varying(jobs)
    short = {override: _short(override) for job in varied for override in job}
    uses = Counter(short.values())
    short = {override: name if uses[name] == 1 else _value(override) or name for override, name in short.items()}
    names = [" ".join(short[override] for override in job) for job in varied]
    full = [" ".join(job) for job in varied]
    ambiguous = len(set(names)) < len(set(full))
    return full if ambiguous else names


def distinct_names(runs: Mapping[Path, About]) -> dict[Path, str]:
    """The name of each run, by its directory; what runs of one name and experiment differ in follows the name."""
    uses = Counter((run.experiment, run.name) for run in runs.values())
    shared = {path: run for path, run in runs.items() if uses[run.experiment, run.name] > 1}
    names = {path: run.name for path, run in runs.items()}
    if not shared:
        return names
    rows = [{**run.axes, **_settings(path)} for path, run in shared.items()]
    cells = [(run.experiment, run.name) for run in shared.values()]
    keys = telling(
        rows, [key for key in dict.fromkeys(key for row in rows for key in row) if _varies(key, rows)], cells
    )
    of_cell = defaultdict(list)
    for cell, row in zip(cells, rows, strict=True):
        of_cell[cell].append(row)
    own = {cell: [key for key in keys if _varies(key, alike)] for cell, alike in of_cell.items()}
    for path, cell, row in zip(shared, cells, rows, strict=True):
        parts = [words(key, row[key]) for key in own[cell] if row.get(key) is not None]
        names[path] = ", ".join([names[path], *parts])
    return _with_ids(names, runs)


def _with_ids(names: Mapping[Path, str], runs: Mapping[Path, About]) -> dict[Path, str]:
    """Names that are still the same are followed by the end of the run's id."""
    uses = Counter((run.experiment, names[path]) for path, run in runs.items())
    return {
        path: name if uses[runs[path].experiment, name] == 1 else f"{name}, {runs[path].run_id.rpartition('-')[2]}"
        for path, name in names.items()
    }


def _varies(key: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(row.get(key) != rows[0].get(key) for row in rows)


def _settings(directory: Path) -> dict[str, Any]:
    """Those in run.json, flat; empty where it has none."""
    try:
        settings = read_object(directory / FILE_NAME).get("settings")
        return flattened(settings) if isinstance(settings, Mapping) else {}
    except (ValueError, OSError, RecursionError):
        return {}


def _value(override: str) -> str:
    """Of `env=atari/breakout` all after the sign, where that has a folder."""
    value = override.partition("=")[2].strip("'\"")
    return value if "/" in value else ""


def _short(override: str) -> str:
    """A key at the root says enough by its initials, or nothing where its value is a word; others keep their end."""
    key, _, value = override.partition("=")
    key, value = key.lstrip("+"), value.strip("'\"")
    if "." in key:
        return f"{key.rpartition('.')[2]}={value}"
    if NUMBER.fullmatch(value):
        return initials(key) + value
    return value.strip("[]").replace("'", "").replace(",", "+").rpartition("/")[2]
