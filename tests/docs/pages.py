"""What README.md and docs/ hold: examples below a heading, and the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GENERATED = "paper.md"
"""Its commands have a test of their own, `tests/test_paper_table.py`."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MESSAGE = re.compile(r"redo-lab \S+: ")
USAGE = re.compile(r"[\[\]…]")


class Command(NamedTuple):
    """A command of the docs. shown: in a block of its own; refused: the block shows that it is."""

    page: str
    text: str
    shown: bool
    refused: bool


def section(heading: str) -> str:
    """What stands below `## heading`, of whichever page has it."""
    (text,) = [part for page in PAGES for part in page.read_text().split(f"\n## {heading}\n")[1:]]
    return text.split("\n## ")[0]


def example(heading: str, language: str) -> str:
    """The first block of this language below a heading."""
    return next(code for name, code in FENCE.findall(section(heading)) if name == language)


def commands() -> list[Command]:
    """Every `redo-lab …` of every page."""
    return [command for page in PAGES if page.name != GENERATED for command in _of_page(page)]


def _of_page(page: Path) -> Iterator[Command]:
    text = page.read_text()
    for language, block in FENCE.findall(text):
        whole = re.sub(r"\\\n\s*", "", block)
        lines = [line.strip().removeprefix("$ ") for line in whole.splitlines()] if not language else []
        for line, following in zip(lines, [*lines, ""][1:], strict=False):
            if line.startswith("redo-lab ") and not MESSAGE.match(line):
                refused = MESSAGE.match(following) is not None
                yield Command(page.name, re.sub(r"\s{2,}#.*", "", line), True, refused)
    for code in re.findall(r"`(redo-lab [^`]+)`", FENCE.sub("", text)):
        yield Command(page.name, " ".join(USAGE.sub("", code).split()), False, False)
