"""The end of a process that hangs in code which keeps Python's lock: faulthandler ends it, and its parent says why."""

from __future__ import annotations

import faulthandler
import re

PATIENCE = 2
"""After so many times the limit: a thread, which says more, comes first wherever one can run."""
LAST_WORDS = re.compile(r"^Timeout \((\d+):(\d\d):(\d\d(?:\.\d+)?)\)!$", re.MULTILINE)


def arm(limit_seconds: float) -> None:
    """From now on the process ends, with a traceback and exit code 1, unless this is called again in time."""
    faulthandler.dump_traceback_later(PATIENCE * limit_seconds, exit=True)


def disarm() -> None:
    """Nothing ends the process any more."""
    faulthandler.cancel_dump_traceback_later()


def limit_in(text: str) -> float | None:
    """The limit in seconds that ended the process which wrote `text` last; None: another end."""
    ends = LAST_WORDS.findall(text)
    if not ends:
        return None
    hours, minutes, seconds = map(float, ends[-1])
    return (3600 * hours + 60 * minutes + seconds) / PATIENCE
