"""One planted mistake in a copy of the tree, and whether the tests see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.mutations.catalogue import Mutation

ROOT = Path(__file__).parents[2]
SECONDS_PER_TRIAL = 600
CAUGHT, SURVIVED = "caught", "SURVIVED"


class Outcome(NamedTuple):
    """`verdict`: caught, SURVIVED or what went wrong; `by`: the test that caught it."""

    name: str
    verdict: str
    seconds: float
    by: str

    @property
    def good(self) -> bool:
        return self.verdict == CAUGHT


def copy_tree(folder: Path) -> None:
    """`folder` holds the files that git knows or doesn't ignore, as they are now; no compiled ones."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def run_tests(tree: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """pytest in the copy `tree`, which ends at the first failure."""
    # Without compiled files: a mistake as long as what it replaces, planted within the same second, would not be seen.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
    return subprocess.run(
        [*command, "-n", "0", "-m", "not slow and not browser", *tests],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_PER_TRIAL,
        check=False,
    )


def attempt(mutation: Mutation, tree: Path) -> Outcome:
    """What the tests say of `mutation`; `tree` is as before. The test that fails must pass with nothing planted."""
    path, began = tree / mutation.file, time.monotonic()
    original = path.read_text(encoding="utf-8")
    path.write_text(original.replace(mutation.text, mutation.becomes), encoding="utf-8")
    try:
        verdict, by = _verdict(run_tests(tree, mutation.tests))
    except subprocess.TimeoutExpired:
        verdict, by = CAUGHT, f"no end within {SECONDS_PER_TRIAL} s"
    finally:
        path.write_text(original, encoding="utf-8")
    if verdict == CAUGHT and "::" in by and run_tests(tree, [by]).returncode != 0:
        verdict = "proves nothing, as this test fails with nothing planted:"
    return Outcome(mutation.name, verdict, time.monotonic() - began, by)


def _verdict(ended: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    if ended.returncode == 0:
        return SURVIVED, ""
    failed = [line.removeprefix("FAILED ") for line in ended.stdout.splitlines() if line.startswith("FAILED ")]
    if ended.returncode == 1 and failed:
        return CAUGHT, failed[0].split(" - ")[0]
    # An import that fails proves nothing: the mistake is planted so that no test begins.
    last = (ended.stdout.strip() or ended.stderr.strip() or "no output").splitlines()[-1]
    return f"no test has run (exit code {ended.returncode})", last
