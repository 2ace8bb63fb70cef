"""MkDocs calls these while it builds the site: they add the generated pages and lead links out of docs/ to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from scripts.docs_site import config_keys, links, pages

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

GENERATED: dict[str, Callable[[], str]] = {
    "index.md": pages.start,
    "log.md": pages.log,
    "reference/config.md": config_keys.page,
    "reference/sweeps.md": pages.sweeps,
    **{f"examples/{name}.md": pages.example(name) for name in pages.EXAMPLES},
}
"""The pages that are written at build time, from README.md, LOG.md, conf/, sweeps/, figures/ and examples/."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of docs/ with the generated pages among them."""
    from mkdocs.structure.files import File

    for address, text in GENERATED.items():
        files.append(File.generated(config, address, content=text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page of docs/ whose links to other folders of the repository lead to the generated pages."""
    return links.inside(markdown, page.file.src_uri)
