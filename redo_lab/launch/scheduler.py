"""What Slurm says of jobs: one squeue for all, sacct for those that squeue has forgotten."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LOG = logging.getLogger("redo_lab")

WAITING = frozenset(
    {"PENDING", "REQUEUED", "CONFIGURING", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "STAGE_OUT", "SIGNALING", "RESIZING"})
HELD = frozenset({"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
HELD_REASON = re.compile("held|hold", re.IGNORECASE)
"""JobHeldUser, JobHeldAdmin, JobHoldMaxRequeue, launch failed requeued held (or with _ for the spaces)."""
JOB_ID = re.compile(r"\d+(_\d+)?", re.ASCII)
CALL_SECONDS = 10
CANCEL_AT_ONCE = 500


class Job(NamedTuple):
    """id: `123` or `123_4`; state: Slurm's word; reason: why it waits; node: where it runs, else empty."""

    id: str
    state: str
    reason: str
    node: str

    @property
    def held(self) -> bool:
        """Whether it waits until somebody releases it."""
        return self.state in HELD or (self.state in WAITING and bool(HELD_REASON.search(self.reason)))


class Answer(NamedTuple):
    """jobs: those that Slurm knows, by id; complete: squeue answered, so a job that is not here has ended."""

    jobs: dict[str, Job]
    complete: bool


def ask(ids: Iterable[str]) -> Answer:
    """What Slurm says of `ids` now; complete is False where there is no Slurm, or it is out of reach."""
    wanted = set(ids)
    if not wanted:
        return Answer({}, complete=False)
    # No -j: of several ids one that is unknown is dropped silently, but a single one is an error.
    queue = _output_of(["squeue", "--me", "-a", "-r", "-h", "-t", "all", "-o", "%i|%T|%r|%N"])
    jobs = {row[0]: Job(*row) for row in _rows(queue, 4) if row[0] in wanted}
    missing = wanted - jobs.keys()
    if missing:
        jobs |= {job.id: job for job in _accounts(missing) if job.id in missing}
    return Answer(jobs, complete=queue is not None)


def states(ids: Iterable[str]) -> dict[str, Job]:
    """The jobs among `ids` that Slurm knows; none where there is no Slurm, and old ones only with accounting."""
    return ask(ids).jobs


def cancel(ids: Sequence[str]) -> None:
    """Ends these jobs; subprocess.CalledProcessError if Slurm refuses, ValueError if one is no id of a job."""
    for identifier in ids:
        if not JOB_ID.fullmatch(identifier):
            raise ValueError(f"{identifier!r:.40} is not the id of a Slurm job; none was cancelled")
    for at in range(0, len(ids), CANCEL_AT_ONCE):
        subprocess.run(["scancel", *ids[at : at + CANCEL_AT_ONCE]], check=True, capture_output=True, text=True)


def _accounts(ids: Iterable[str]) -> list[Job]:
    roots = ",".join(sorted({identifier.partition("_")[0] for identifier in ids}))
    rows = _rows(_output_of(["sacct", "-X", "-n", "-P", "-o", "JobID,State,NodeList", "-j", roots]), 3)
    # `CANCELLED by 1000` is one state.
    return [
        Job(identifier, state.partition(" ")[0], "", "" if node == "None assigned" else node)
        for identifiers, state, node in rows
        for identifier in expanded(identifiers)
    ]


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


def _rows(output: str | None, columns: int) -> list[list[str]]:
    """The lines that are rows of a table: sites print banners, too."""
    rows = [line.split("|") for line in (output or "").splitlines()]
    return [row for row in rows if len(row) == columns]


def _output_of(command: Sequence[str]) -> str | None:
    """What `command` printed; None if it failed, hung or isn't there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        LOG.warning("%s gave no answer within %g s", command[0], CALL_SECONDS)
        return None
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
