"""Tables of runs fit their terminal: what goes first, what is shortened, what is said of the rest."""

from __future__ import annotations

import pytest
from rich.console import Console

from redo_lab.runs.terminal import Column, fitted, left_out, lines, width_of

NAMES = Column("run", ["dqn breakout redo s0", "dqn pong redo s1"], left=True)
COLUMNS = [Column("state", ["running", "failed"], left=True), NAMES, Column("done", ["9 %", "100 %"]),
           Column("rate", ["10", "–"], rank=1), Column("node", ["n1", "n2"], left=True, rank=2)]  # fmt: skip


def cut(text: str, longest: int) -> str:
    return text[:longest]


def shown(width: int, wanted: int) -> tuple[list[str], list[str], int]:
    columns, hidden = fitted(COLUMNS, width, "run", wanted, cut)
    return [column.heading for column in columns], hidden, max(len(line.plain) for line in lines(columns, ["", ""]))


def test_the_column_of_the_highest_rank_goes_first_and_the_name_is_shortened_last() -> None:
    assert shown(100, 20) == (["state", "run", "done", "rate", "node"], [], 48)
    assert shown(47, 20) == (["state", "run", "done", "rate"], ["node"], 42)
    assert shown(36, 20) == (["state", "run", "done"], ["rate", "node"], 36)
    assert shown(30, 20) == (["state", "run", "done"], ["rate", "node"], 30)


def test_a_name_that_wants_less_is_shortened_before_any_column_goes() -> None:
    assert shown(38, 10) == (["state", "run", "done", "rate", "node"], [], 38)
    assert shown(37, 10) == (["state", "run", "done", "rate"], ["node"], 37)


def test_a_line_for_each_row_with_numbers_to_the_right() -> None:
    head, first, second = lines(COLUMNS[:3], ["green", "red"])
    assert head.plain == "state    run                    done"
    assert first.plain == "running  dqn breakout redo s0    9 %"
    assert second.plain == "failed   dqn pong redo s1      100 %"
    assert [(span.start, span.end, span.style) for span in second.spans] == [(0, 7, "red")]


def test_a_column_of_nothing_is_empty() -> None:
    assert Column("job", ["–", ""]).empty
    assert not Column("job", ["–", "0"]).empty


def test_columns_without_room_are_named_and_many_are_counted() -> None:
    assert left_out(["a", "b"]).plain == "no room for a, b"
    assert left_out(list("abcdef")).plain == "no room for a, b, c, d and 2 more"


def test_a_pipe_has_the_width_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_of(Console(force_terminal=False), 140) == 140
    monkeypatch.setenv("COLUMNS", "93")
    assert width_of(Console(force_terminal=False), 140) == 93
