"""What the site's Slurm allows: how long an array may be, and how many jobs this user may still submit."""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Sequence

DEFAULT_MAX_ARRAY = 1001
CALL_SECONDS = 20


def max_array_jobs() -> int:
    """The most elements of one array: its indices stay below MaxArraySize. Slurm's default where it can't be asked."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", _output_of(["scontrol", "show", "config"]) or "", re.MULTILINE)
    return max(1, int(match[1]) if match else DEFAULT_MAX_ARRAY)


def room(partition: str | None, account: str | None, qos: str | None) -> int | None:
    """How many more jobs the accounting database lets this user submit; None: no limit, or no accounting.

    Limits per user of the association and of the quality of service; those of a group show when jobs are submitted.
    """
    limits = [*_association_limits(partition, account), *_qos_limits(qos)]
    if not limits:
        return None
    queued = _output_of(["squeue", "--me", "-a", "-r", "-h", "-o", "%i"])
    return max(0, min(limits) - len((queued or "").split()))


def _association_limits(partition: str | None, account: str | None) -> list[int]:
    columns = "format=account,partition,maxsubmitjobs"
    output = _output_of(["sacctmgr", "-n", "-P", "show", "assoc", f"user={getpass.getuser()}", columns])
    return [
        int(limit)
        for name, where, limit in _rows(output, 3)
        if limit and account in (None, name) and (not where or where == partition)
    ]


def _qos_limits(qos: str | None) -> list[int]:
    output = _output_of(["sacctmgr", "-n", "-P", "show", "qos", qos or "normal", "format=name,maxsubmitjobsperuser"])
    return [int(limit) for _, limit in _rows(output, 2) if limit]


def _rows(output: str | None, columns: int) -> list[list[str]]:
    rows = [line.split("|") for line in (output or "").splitlines()]
    return [row for row in rows if len(row) == columns]


def _output_of(command: Sequence[str]) -> str | None:
    """What `command` printed; None if it failed, hung or isn't there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
