"""Three runs for the verbs to find."""

from __future__ import annotations

from pathlib import Path

from redo_lab.runs.status import State
from tests.helpers.launched import make_run, own

TRACEBACK = """warning: at 0x7f00
Traceback (most recent call last):
  File "loop.py", line {line}, in run
ValueError: {words}"""


def make_three(root: Path) -> None:
    own(make_run(root, "a0", State.RUNNING, done=500, rate_per_s=10.0, headline={"return": 3.0}))
    make_run(root, "a1", State.FAILED, error=TRACEBACK.format(line=1, words="bad"))
    make_run(root, "b2", State.FINISHED, done=1000, headline={"dormant %": 12.345}, attempt=2)
