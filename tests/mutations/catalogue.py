"""The planted mistakes, read from the files in catalogue/."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "catalogue"


@dataclass(frozen=True)
class Mutation:
    """In `file` the only `text` is replaced by `becomes`; some test of `tests` must then fail.

    `tests`: folders, files or node ids of pytest.
    """

    name: str
    file: str
    text: str
    becomes: str
    tests: tuple[str, ...]

    def problem(self, root: Path) -> str | None:
        """Why it can't be planted below `root`: the code that it is about has changed."""
        path = root / self.file
        if not path.is_file():
            return f"{self.file} doesn't exist"
        count = path.read_text(encoding="utf-8").count(self.text)
        if count != 1:
            return f"its text occurs {count} times in {self.file}, not once"
        missing = [test for test in self.tests if not (root / test.partition("::")[0]).exists()]
        return f"{missing[0]} doesn't exist" if missing else None


def mutations() -> list[Mutation]:
    """All of them, in the order of the files; their names are unique."""
    listed = [
        Mutation(**{**entry, "tests": tuple(entry["tests"])})
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    twice = [name for name, count in Counter(mutation.name for mutation in listed).items() if count > 1]
    if twice:
        raise ValueError(f"two mutations are called {twice[0]}")
    return listed
