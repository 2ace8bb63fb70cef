"""The line that says how to go on after Ctrl-C."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from redo_lab.paths import conf_words
from redo_lab.runs.reading import printable

EXIT_INTERRUPTED = 130


def with_way_on(code: int, verb: str, words: Sequence[str]) -> int:
    """`code`; after Ctrl-C with a line on stderr: the same command, without what would begin the runs anew."""
    if code == EXIT_INTERRUPTED:
        kept = [word for word in words if not word.startswith("force=")]
        command = shlex.join(["redo-lab", *conf_words(), verb, *kept])
        print(printable(f"stopped by Ctrl-C; to go on from the last checkpoint: {command}"), file=sys.stderr)
    return code
