"""Files that are whole or absent, and tables that a spreadsheet can open without harm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

FORMULA = r"^[=+\-@\t\r]"
"""A spreadsheet takes text that begins so for a formula, and runs it."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to; it becomes `path` when the block ends well, and nothing is left of it otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def without_formulas(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with an apostrophe before each text that a spreadsheet would run."""
    text = pl.col(pl.String)
    return rows.with_columns(pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())
