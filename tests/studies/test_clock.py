"""The replay ratio is realised exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redo_lab.studies.clock import UpdateClock, exact_ratio


def run(clock: UpdateClock, start: int = 0, updates: int = 0, stop: int | None = None) -> list[int]:
    made = []
    for env_steps in range(start + 1, (clock.total_env_steps if stop is None else stop) + 1):
        due = clock.due(env_steps, updates + sum(made))
        made.append(due)
    return made


@given(
    st.sampled_from(["0.25", "0.5", "1", "2", "4", "8", "0.1", "0.3", "1.7"]),
    st.integers(0, 50),
    st.integers(1, 7),
    st.integers(1, 300),
)
def test_the_total_is_exact_over_any_length(ratio: str, warmup: int, period: int, total: int) -> None:
    clock = UpdateClock(Fraction(ratio), warmup, period, total)
    made = run(clock)
    assert sum(made) == max(0, int((total - warmup) * Fraction(ratio)))
    assert all(due == 0 for step, due in enumerate(made, 1) if step % period and step != total)


@given(st.sampled_from(["0.25", "0.3", "1.7", "2"]), st.integers(1, 5), st.integers(1, 199))
def test_a_resumed_run_makes_the_same_updates(ratio: str, period: int, cut: int) -> None:
    clock = UpdateClock(Fraction(ratio), 13, period, 200)
    whole = run(clock)
    first = run(clock, stop=cut)
    assert first + run(clock, start=cut, updates=sum(first)) == whole


def test_dopamine_s_grouping_of_four_agent_steps() -> None:
    assert run(UpdateClock(Fraction(1), 0, 4, 8)) == [0, 0, 0, 4, 0, 0, 0, 4]
    assert run(UpdateClock(Fraction(1, 4), 0, 4, 8)) == [0, 0, 0, 1, 0, 0, 0, 1]
    assert run(UpdateClock(Fraction(2), 0, 4, 8)) == [0, 0, 0, 8, 0, 0, 0, 8]


@pytest.mark.parametrize(("typed", "exact"), [(0.1, Fraction(1, 10)), (0.25, Fraction(1, 4)), (1.7, Fraction(17, 10))])
def test_the_ratio_is_the_decimal_that_was_typed(typed: float, exact: Fraction) -> None:
    assert exact_ratio(typed) == exact
