"""Pieces of HTML: tables and figures; every text from outside is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from redo_lab.runs.reading import printable


def safe(text: str) -> str:
    """`text` as HTML shows it, between tags and in attributes; � for what can't be shown."""
    return escape(printable(text))


class Cell(NamedTuple):
    """text: shown; key: what the column is sorted by, the text if None; link: where it leads."""

    text: str
    key: float | str | None = None
    link: str | None = None


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


def figure(svg: bytes, csv: str, name: str, caption: str, *, wide: bool) -> str:
    """The picture, its caption, and its numbers to download."""
    picture = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    numbers = f"data:text/csv;base64,{base64.b64encode(csv.encode()).decode()}"
    kind = ' class="page"' if wide else ""
    name, caption = safe(name), safe(caption)
    link = f'<a download="{name}.csv" href="{numbers}">numbers</a>'
    image = f'<img alt="{caption}" src="{picture}">'
    return f'<figure{kind} id="figure-{name}">{image}<figcaption>{caption} {link}</figcaption></figure>'


def section(identifier: str, title: str, body: Iterable[str]) -> Iterator[str]:
    """With a heading that the navigation leads to; in pieces, as `body` is."""
    yield f'<section><h2 id="{identifier}">{safe(title)}</h2>\n'
    yield from body
    yield "\n</section>\n"


def listed(lines: Sequence[str], kind: str = "") -> str:
    """Bullets."""
    items = "".join(f"<li>{safe(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>'


def boxes(identifier: str, title: str, names: Sequence[str], checked: Sequence[str], colours: dict[str, str]) -> str:
    """Check boxes, with a button for all or none."""
    labels = "".join(
        f'<label><input type="checkbox" value="{safe(name)}"{" checked" if name in checked else ""}>'
        + (f'<span class="swatch" style="background:{colours[name]}"></span>' if name in colours else "")
        + f"{safe(name)}</label>"
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
    text = f'<a href="{safe(cell.link)}">{safe(cell.text)}</a>' if cell.link else safe(cell.text)
    return f'<td class="{_kind(at, words)}"{key}>{text}</td>'


def _kind(at: int, words: int) -> str:
    return "word" if at < words else "number"
