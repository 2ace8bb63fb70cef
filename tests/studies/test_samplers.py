"""Samplers by name: each draws from a stream of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from redo_lab.seeding import Seeds
from redo_lab.studies.aftercare import Samplers


def draw(batch_size: int, generator: np.random.Generator) -> Any:
    return generator.integers(10**9, size=batch_size).tolist()


def test_no_two_samplers_draw_the_same() -> None:
    samplers = Samplers(draw, Seeds(0))
    drawn: list[Any] = [samplers.named(name)(4) for name in ("training", "probes.rank", "recyclers.rank")]
    assert all(first != second for at, first in enumerate(drawn) for second in drawn[:at])
    assert drawn[0] == draw(4, Seeds(0).numpy("replay.training"))


def test_what_one_draws_changes_nothing_for_another() -> None:
    alone, beside = Samplers(draw, Seeds(0)), Samplers(draw, Seeds(0))
    training, probe = beside.named("training"), beside.named("probes.rank")
    probe(100)
    assert training(4) == alone.named("training")(4)


def test_every_stream_goes_on_from_its_state() -> None:
    samplers, others = Samplers(draw, Seeds(0)), Samplers(draw, Seeds(0))
    mine = [samplers.named(name) for name in ("training", "probes.rank")]
    theirs = [others.named(name) for name in ("training", "probes.rank")]
    mine[0](7)
    mine[1](3)
    others.load_state_dict(samplers.state_dict())
    assert [sampler(5) for sampler in theirs] == [sampler(5) for sampler in mine]
