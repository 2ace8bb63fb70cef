"""Pieces of HTML: tables, lists and controls; every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

from redo_lab.runs.reading import printable


def safe(text: str) -> str:
    """`text` as HTML shows it, between tags and in attributes; � for what can't be shown."""
    return escape(printable(text))


class Cell(NamedTuple):
    """text: shown; key: what the column is sorted by, the text if None; link: where it leads; interval: after the text.

    log: the place of its run among the excerpts of logs, which a click on the link shows.
    """

    text: str
    key: float | str | None = None
    link: str | None = None
    log: int | None = None
    interval: str | None = None


PAGE_ROWS = 50


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, words: int = 1, identifier: str = "", noun: str = "rows"
) -> str:
    """A table that sorts at a click; the first `words` columns are left-aligned.

    One that has an identifier, or more than PAGE_ROWS rows, can be filtered and shows so many of its `noun` at a time.
    """
    head = "".join(f'<th class="{_kind(at, words)}">{safe(name)}</th>' for at, name in enumerate(heads))
    body = "".join(_row(row, words, hidden=at >= PAGE_ROWS) for at, row in enumerate(rows))
    name = f' id="{identifier}"' if identifier else ""
    controls = _controls(len(rows), noun) if identifier or len(rows) > PAGE_ROWS else ""
    return (
        f'<div class="paged" data-rows="{PAGE_ROWS}">{controls}<div class="scroll"><table class="sortable"{name}>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div></div>"
    )


def section(identifier: str, title: str, body: Iterable[str]) -> Iterator[str]:
    """With a heading that the navigation leads to; in pieces, as `body` is."""
    yield f'<section><h2 id="{identifier}">{safe(title)}</h2>\n'
    yield from body
    yield "\n</section>\n"


def listed(lines: Sequence[str]) -> str:
    """Bullets."""
    items = "".join(f"<li>{safe(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>"


def line(colour: str, dark: str, dashes: Sequence[float]) -> str:
    """A piece of a line as it is drawn; dark: its colour on a dark page."""
    pattern = f' stroke-dasharray="{" ".join(f"{part:g}" for part in dashes)}"' if dashes else ""
    return (
        f'<svg class="line" style="--light:{colour};--dark:{dark}" viewBox="0 0 28 8" aria-hidden="true">'
        f'<path d="M0 4H28"{pattern}/></svg>'
    )


def boxes(identifier: str, title: str, names: Sequence[str], checked: Sequence[str], lines: Mapping[str, str]) -> str:
    """Check boxes, with a button for all or none. lines: HTML before a name."""
    labels = "".join(
        f'<label><input type="checkbox" value="{safe(name)}"{" checked" if name in checked else ""}>'
        f"{lines.get(name, '')}{safe(name)}</label>"
        for name in names
    )
    button = f'<button type="button" data-all="{identifier}">all / none</button>'
    return f'<fieldset id="{identifier}"><legend>{safe(title)} {button}</legend>{labels}</fieldset>'


def choice(identifier: str, title: str, options: Sequence[tuple[str, str]]) -> str:
    """A drop-down of (value, text)."""
    items = "".join(f'<option value="{safe(value)}">{safe(text)}</option>' for value, text in options)
    return f'<label>{safe(title)} <select id="{identifier}">{items}</select></label>'


def _row(cells: Sequence[Cell], words: int, *, hidden: bool) -> str:
    attribute = " hidden" if hidden else ""
    return f"<tr{attribute}>" + "".join(_cell(cell, at, words) for at, cell in enumerate(cells)) + "</tr>\n"


def _controls(rows: int, noun: str) -> str:
    noun = safe(noun)
    return (
        '<p><input type="search" placeholder="words to look for"> '
        f'<span class="soft count" data-noun="{noun}">{rows} {noun}</span> <span class="pager">'
        '<button type="button" class="previous">previous</button> <span class="soft place"></span> '
        '<button type="button" class="next">next</button></span></p>\n'
    )


def _cell(cell: Cell, at: int, words: int) -> str:
    key = f' data-value="{safe(str(cell.key))}"' if cell.key is not None else ""
    log = f' data-log="{cell.log}"' if cell.log is not None else ""
    text = f'<a href="{safe(cell.link)}"{log}>{safe(cell.text)}</a>' if cell.link else safe(cell.text)
    interval = f" <span>{safe(cell.interval)}</span>" if cell.interval else ""
    return f'<td class="{_kind(at, words)}"{key}>{text}{interval}</td>'


def _kind(at: int, words: int) -> str:
    return "word" if at < words else "number"
