"""Conditions on runs: `recycler=redo & replay_ratio>=1`, `(game=pong | game=qbert) & !(state=failed)`.

=, !=, <, <=, >, >= compare, ~ looks for a part of a text; & | ! and brackets combine. A value is a word, a number, a
quoted text or null. A cell without a value equals only null and is never less, greater or like anything. Beside the
columns of a table, the settings that all its runs share may be named.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from itertools import pairwise

import polars as pl

from redo_lab.config import nearest
from redo_lab.runs.table import Table

TOKEN = re.compile(
    r"""\s*(?:(?P<operator><=|>=|!=|=|<|>|~|&|\||!|\(|\))|(?P<quoted>'[^']*'|"[^"]*")|(?P<word>[^\s=!<>~&|()'"]+))"""
)
COMPARISONS: dict[str, Callable[[pl.Expr, float | str], pl.Expr]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matching(text: str, table: Table, *, absent: bool = False) -> Table:
    """The runs for which `text` holds; ValueError if it can't be understood. absent: an unknown name is null."""
    shared = [pl.lit(value).alias(name) for name, value in table.constants.items() if name not in table.runs.columns]
    runs = table.runs.with_columns(shared)
    kept = runs.filter(parse(text, runs, absent=absent))["directory"].to_list()
    return table.where(pl.col("directory").is_in(kept))


def parse(text: str, runs: pl.DataFrame, *, absent: bool = False) -> pl.Expr:
    """`text` as a condition on the rows of `runs`; ValueError in one line if it can't be understood.

    absent: a name that is no column stands for null, else it is a mistake.
    """
    parser = _Parser(text, runs, absent=absent)
    condition = parser.either()
    if parser.at < len(parser.tokens):
        raise parser.wrong("expected & or |")
    return condition


class _Parser:
    """Recursive descent: either → both (| both)*; both → one (& one)*; one → ! one, (either), name operator value."""

    def __init__(self, text: str, runs: pl.DataFrame, *, absent: bool = False) -> None:
        self.text, self.runs, self.absent, self.at = text, runs, absent, 0
        self.tokens: list[tuple[str, str, int]] = []
        place = 0
        while text[place:].strip():
            match = TOKEN.match(text, place)
            if match is None:
                raise ValueError(
                    f"--where '{text}': what is this at character {place + 1}: {text[place:].strip()[:10]}"
                )
            assert match.lastgroup is not None
            self.tokens.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            place = match.end()
        for (_, text_before, start), (_, symbol, after) in pairwise(self.tokens):
            if symbol == text_before and symbol in "=&|" and after == start + 1:
                raise ValueError(f"--where '{text}': '{symbol * 2}' at character {start + 1} is written '{symbol}'")

    def either(self) -> pl.Expr:
        condition = self.both()
        while self._accept("|"):
            condition |= self.both()
        return condition

    def both(self) -> pl.Expr:
        condition = self.one()
        while self._accept("&"):
            condition &= self.one()
        return condition

    def one(self) -> pl.Expr:
        if self._accept("!"):
            return ~self.one()
        if self._accept("("):
            condition = self.either()
            if not self._accept(")"):
                raise self.wrong("a bracket is not closed")
            return condition
        name = self._word("the name of a column")
        if name not in self.runs.columns and not self.absent:
            raise ValueError(f"--where '{self.text}': no column '{name}', {nearest(name, self.runs.columns)}")
        if self.at == len(self.tokens) or self.tokens[self.at][0] != "operator":
            raise self.wrong(f"expected =, !=, <, <=, >, >= or ~ after {name}")
        comparison = self.tokens[self.at][1]
        self.at += 1
        quoted = self.at < len(self.tokens) and self.tokens[self.at][0] == "quoted"
        return self._comparison(name, comparison, self._word("a value"), quoted)

    def wrong(self, what: str) -> ValueError:
        place = self.tokens[self.at][2] + 1 if self.at < len(self.tokens) else len(self.text) + 1
        return ValueError(f"--where '{self.text}': {what} at character {place}")

    def _comparison(self, name: str, comparison: str, word: str, quoted: bool) -> pl.Expr:
        column = pl.col(name) if name in self.runs.columns else pl.lit(None)
        if word == "null" and not quoted and comparison in ("=", "!="):
            return column.is_null() if comparison == "=" else column.is_not_null()
        if comparison == "~":
            return column.cast(pl.String).str.contains(word, literal=True).fill_null(value=False)
        value = self._value(name, word)
        if comparison == "=":
            return column.eq_missing(value)
        if comparison == "!=":
            return column.ne_missing(value)
        if comparison not in COMPARISONS:
            self.at -= 2
            raise self.wrong(f"expected =, !=, <, <=, >, >= or ~ after {name}")
        return COMPARISONS[comparison](column, value).fill_null(value=False)

    def _value(self, name: str, word: str) -> float | str | bool:
        kind = self.runs.schema.get(name, pl.String())
        if kind == pl.Boolean:
            if word not in ("true", "false"):
                raise ValueError(f"--where '{self.text}': {name} is true or false, got '{word}'")
            return word == "true"
        if not kind.is_numeric():
            return word
        try:
            return float(word)
        except ValueError as error:
            raise ValueError(f"--where '{self.text}': {name} is a number, got '{word}'") from error

    def _accept(self, symbol: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at][:2] == ("operator", symbol):
            self.at += 1
            return True
        return False

    def _word(self, what: str) -> str:
        if self.at == len(self.tokens) or self.tokens[self.at][0] == "operator":
            raise self.wrong(f"expected {what}")
        kind, text, _ = self.tokens[self.at]
        self.at += 1
        return text[1:-1] if kind == "quoted" else text
