"""A checkpoint without its replay: a warm-up fills it again and counts for nothing."""

from __future__ import annotations

import numpy as np

from redo_lab.runs.names import EVALUATION_RETURN
from tests.helpers.loops import copied, run, start


def test_a_run_without_its_replay_plays_a_warm_up_that_counts_for_nothing() -> None:
    words = ["replay_ratio=1", "training.iterations=2"]
    first, _ = start(*words)
    steps = first.steps()
    for _ in range(250):
        next(steps)
    second, journal = start(*words)
    second.load_state_dict(first.state_dict())
    second.lose_bulk()
    moments = [(second.progress().done, second.phase) for _ in second.steps()]
    assert [phase for _, phase in moments].count("refill") == second.agent.warmup_env_steps
    assert {done for done, phase in moments if phase == "refill"} == {first.counters.env_steps}
    assert moments[-1][0] == 400
    assert np.isfinite(journal.latest[EVALUATION_RETURN])


def test_a_warm_up_in_place_of_a_lost_replay_goes_on_from_a_checkpoint_within_it() -> None:
    words = ["replay_ratio=1", "training.iterations=2"]
    begun, _ = start(*words)
    for _, _ in zip(range(250), begun.steps(), strict=False):
        pass
    whole, journal = start(*words)
    whole.load_state_dict(copied(begun))
    whole.lose_bulk()
    first, before = start(*words)
    first.load_state_dict(copied(begun))
    first.lose_bulk()
    for _, _ in zip(range(7), first.steps(), strict=False):
        pass
    assert first.phase == "refill"
    second, after = start(*words)
    for name in ("frames", "actions", "rewards", "ends", "history"):
        getattr(second.replay, name)[:] = getattr(first.replay, name)
    second.load_state_dict(copied(first))
    run(whole)
    run(second)
    assert before.entries + after.entries == journal.entries
    assert after.latest[EVALUATION_RETURN] == journal.latest[EVALUATION_RETURN]
    assert second.replay.added == whole.replay.added
    assert np.array_equal(second.replay.actions, whole.replay.actions)


def test_a_lost_replay_is_empty_also_where_no_warm_up_comes_in_its_place() -> None:
    words = ["replay_ratio=1", "training.iterations=2", "agent.warmup_env_steps=0", "agent.n_step=1"]
    first, _ = start(*words)
    for _, _ in zip(range(250), first.steps(), strict=False):
        pass
    second, _ = start(*words)
    second.load_state_dict(first.state_dict())
    second.lose_bulk()
    next(second.steps())
    assert second.replay.added == 2, "the first observation and the one that a step led to"


def test_a_lost_replay_has_a_transition_again_when_updates_go_on_at_once() -> None:
    words = ["replay_ratio=1", "agent.update_period_env_steps=4", "agent.n_step=3", "agent.warmup_env_steps=0"]
    first, _ = start(*words)
    for _, _ in zip(range(7), first.steps(), strict=False):
        pass
    second, _ = start(*words)
    second.load_state_dict(copied(first))
    second.lose_bulk()
    for _ in second.steps():
        if second.counters.env_steps == 8:
            break
    assert second.counters.updates == 8
