"""What Slurm says of jobs: one squeue for all, sacct for those that squeue has forgotten."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

WAITING = frozenset(
    {"PENDING", "REQUEUED", "CONFIGURING", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "STAGE_OUT", "SIGNALING", "RESIZING"})
CALL_SECONDS = 10
CANCEL_AT_ONCE = 500


class Job(NamedTuple):
    """id: `123` or `123_4`; state: Slurm's word; reason: why it waits; node: where it runs, else empty."""

    id: str
    state: str
    reason: str
    node: str


def states(ids: Iterable[str]) -> dict[str, Job]:
    """The jobs among `ids` that Slurm knows; none where there is no Slurm, and old ones only with accounting."""
    asked = set(ids)
    if not asked:
        return {}
    found = {job.id: job for job in _queue() if job.id in asked}
    missing = asked - found.keys()
    return found | {job.id: job for job in _accounts(missing) if job.id in missing} if missing else found


def answers() -> bool:
    """Whether there is a Slurm that can be asked now."""
    return _said(["squeue", "--version"]) is not None


def cancel(ids: Sequence[str]) -> None:
    """Ends these jobs; subprocess.CalledProcessError if Slurm refuses."""
    for at in range(0, len(ids), CANCEL_AT_ONCE):
        subprocess.run(["scancel", *ids[at : at + CANCEL_AT_ONCE]], check=True, capture_output=True, text=True)


def _queue() -> Iterator[Job]:
    # No -j: of several ids one that is unknown is dropped silently, but a single one is an error.
    said = _said(["squeue", "--me", "-a", "-r", "-h", "-t", "all", "-o", "%i|%T|%r|%N"])
    for line in (said or "").splitlines():
        identifier, state, reason, node = line.split("|")
        yield Job(identifier, state, reason, node)


def _accounts(ids: Iterable[str]) -> Iterator[Job]:
    roots = ",".join(sorted({identifier.partition("_")[0] for identifier in ids}))
    said = _said(["sacct", "-X", "-n", "-P", "-o", "JobID,State,NodeList", "-j", roots])
    for line in (said or "").splitlines():
        identifiers, state, node = line.split("|")
        for identifier in expanded(identifiers):
            yield Job(identifier, state.split()[0], "", node)


def expanded(identifier: str) -> list[str]:
    """`12_[3-5,7%2]` → 12_3, 12_4, 12_5, 12_7."""
    match = re.fullmatch(r"(\d+)_\[([\d,:-]+)(%\d+)?\]", identifier)
    if match is None:
        return [identifier]
    ranges = (re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part) for part in match[2].split(","))
    return [
        f"{match[1]}_{index}"
        for part in ranges
        if part
        for index in range(int(part[1]), int(part[2] or part[1]) + 1, int(part[3] or 1))
    ]


def _said(command: Sequence[str]) -> str | None:
    """What `command` printed; None if it failed, hung or isn't there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
