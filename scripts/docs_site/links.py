"""Links between pages: what README.md and docs/ link to in the repository has a page on the site."""

from __future__ import annotations

import posixpath
import re

LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)\s]*)?(\))")
PAGES = {
    "README.md": "index.md",
    "LOG.md": "log.md",
    "sweeps": "reference/sweeps.md",
    "figures": "reference/sweeps.md",
    "conf": "reference/config.md",
}
"""Paths of the repository, and the page of the site that shows each."""


def inside(markdown: str, page: str) -> str:
    """`markdown` of `page`, a path below docs/: links out of docs/ lead to the pages that show what they name."""
    folder = posixpath.dirname(page)

    def replaced(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, match[2]))
        if path.startswith("docs/"):
            return match[0]
        return f"{match[1]}{_relative(of_repository(path), folder)}{match[4]}"

    return LINK.sub(replaced, markdown)


def at_the_root(markdown: str) -> str:
    """`markdown` of a file beside docs/, as a page at the root of the site."""

    def replaced(match: re.Match[str]) -> str:
        path = posixpath.normpath(match[2])
        target = path.removeprefix("docs/") if path.startswith("docs/") else of_repository(path)
        return f"{match[1]}{target}{match[3] or ''}{match[4]}"

    return LINK.sub(replaced, markdown)


def of_repository(path: str) -> str:
    """The page (with its anchor) that shows `path` of the repository; ValueError if none does."""
    if path in PAGES:
        return PAGES[path]
    folder, _, rest = path.partition("/")
    if folder in ("sweeps", "figures") and rest.endswith(".yaml"):
        return f"{PAGES[folder]}#{anchor(path)}"
    if folder == "examples" and rest.endswith(".py"):
        return f"examples/{rest.removesuffix('.py')}.md"
    raise ValueError(f"no page of the site shows {path}: add it to PAGES in scripts/docs_site/links.py")


def anchor(path: str) -> str:
    """The anchor of a file on the page that shows it."""
    return re.sub(r"[^a-z0-9]+", "-", path.removesuffix(".yaml").lower())


def _relative(target: str, folder: str) -> str:
    return posixpath.relpath(target, folder) if folder else target
