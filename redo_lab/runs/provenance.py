"""Which config, code and machines a run comes from: as it began, and of each attempt after that.

`config.yaml` and `run.json` are written once, before anything has run, and never again. An attempt with
other settings (of those that don't change results) finds them in `config.next.yaml`. `attempts.jsonl` has a line
for each attempt, appended under the lease.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redo_lab.runs.atomic import naming_full_disk, open_append_nofollow, open_regular, write_json, write_text
from redo_lab.runs.identity import code_version, versions
from redo_lab.runs.lease import Lease

FIRST, NEXT, RUN, ATTEMPTS = "config.yaml", "config.next.yaml", "run.json", "attempts.jsonl"
MAX_BYTES = 2**24


@dataclass(frozen=True)
class AttemptStart:
    """How an attempt began. from_step: how far the run was; changed: settings that config.yaml has otherwise."""

    attempt: int
    from_step: int
    commit: str | None
    dirty: bool | None
    versions: Mapping[str, str]
    host: str
    device: str
    started: str
    changed: Mapping[str, Any]

    @property
    def code(self) -> str:
        """The commit, and whether files differed from it; "unknown" outside a checkout."""
        return "unknown" if self.commit is None else self.commit + (" with changes" if self.dirty else "")


def prepare(directory: Path, config_yaml: str, run: Mapping[str, Any]) -> None:
    """`directory` is ready to run with `config_yaml`; of a run that is there already nothing is rewritten."""
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / FIRST).exists() or not _is_object(directory / RUN):
        write_text(directory / FIRST, config_yaml)
        write_json(directory / RUN, dict(run))
    if (directory / FIRST).read_text(encoding="utf-8") == config_yaml:
        (directory / NEXT).unlink(missing_ok=True)
    else:
        write_text(directory / NEXT, config_yaml)


def config_path(directory: Path) -> Path:
    """The config of the next attempt."""
    return directory / NEXT if (directory / NEXT).exists() else directory / FIRST


def append(lease: Lease, *, from_step: int, device: str, changed: Mapping[str, Any]) -> None:
    """`attempts.jsonl` ends with the attempt of `lease`, which begins now; LeaseLost if it isn't ours any more."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    start = AttemptStart(
        lease.attempt,
        from_step,
        **code_version(),
        versions=versions(),
        host=socket.gethostname(),
        device=device,
        started=now,
        changed=dict(changed),
    )
    # A line that a full disk or a crash has cut off ends here.
    line = b"\n" * _is_cut(lease.directory / ATTEMPTS) + json.dumps(asdict(start)).encode() + b"\n"
    lease.check()
    with naming_full_disk(lease.directory, len(line)), open_append_nofollow(lease.directory / ATTEMPTS) as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def attempts(directory: Path) -> list[AttemptStart]:
    """All attempts at a run, in order; lines that can't be read are passed over; old runs have none."""
    try:
        with open_regular(directory / ATTEMPTS) as file:
            lines = file.read(MAX_BYTES).splitlines()
    except OSError:
        return []
    starts = [start for line in lines if (start := _parsed(line)) is not None]
    return sorted(starts, key=lambda start: start.attempt)


def codes(directory: Path) -> tuple[str, ...]:
    """The different versions of the code that a run was done with, in their order; more than one: mixed."""
    return tuple(dict.fromkeys(start.code for start in attempts(directory)))


def differences(config: Mapping[str, Any], first: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Of `config` what `first` has otherwise or not at all, by dotted key; None for what only `first` has."""
    changed: dict[str, Any] = {}
    for key in dict.fromkeys([*first, *config]):
        before, now = first.get(key), config.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            changed |= differences(now, before, f"{prefix}{key}.")
        elif before != now:
            changed[f"{prefix}{key}"] = now
    return changed


def _parsed(line: bytes) -> AttemptStart | None:
    try:
        start = AttemptStart(**json.loads(line))
        return start if type(start.attempt) is int else None
    except (ValueError, TypeError, RecursionError):
        return None


def _is_object(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return isinstance(json.loads(file.read(MAX_BYTES)), dict)
    except (OSError, ValueError, RecursionError):
        return False


def _is_cut(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            return file.read(1) not in (b"", b"\n")
    except FileNotFoundError:
        return False
