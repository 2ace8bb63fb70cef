"""An agent that chooses its next action before the updates of a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from redo_lab.runs.names import EVALUATION_RETURN
from tests.helpers.loops import run, start

AHEAD = ["replay_ratio=1", "training.iterations=2", "agent.update_period_env_steps=1", "agent.act_ahead=true"]


@pytest.mark.parametrize(("ahead", "order"), [("false", ["update", "act"]), ("true", ["act", "update"])])
def test_an_agent_that_acts_ahead_chooses_before_the_updates_of_the_step(
    ahead: str, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, _ = start("replay_ratio=1", "agent.update_period_env_steps=1", f"agent.act_ahead={ahead}")
    steps = loop.steps()
    while not loop.counters.updates:
        next(steps)
    seen: list[tuple[str, int]] = []
    act, make, env_step = loop.agent.act, loop.gradient.make, loop.env.step

    def noting(what: str, call: Any) -> Any:
        def noted(*arguments: Any) -> Any:
            seen.append((what, loop.counters.env_steps))
            return call(*arguments)

        return noted

    monkeypatch.setattr(loop.agent, "act", noting("act", act))
    monkeypatch.setattr(loop.gradient, "make", noting("update", make))
    monkeypatch.setattr(loop.env, "step", noting("step", env_step))
    for _ in range(3):
        next(steps)
    after_the_first_step = seen[seen.index(next(event for event in seen if event[0] == "step")) + 1 :]
    assert [what for what, _ in after_the_first_step[:3]] == [*order, "step"]
    # On the clock of exploration too it is the next step's action.
    assert len({moment for _, moment in after_the_first_step[:3]}) == 1


def test_acting_ahead_changes_nothing_before_the_first_update() -> None:
    loops = [start(*AHEAD[:3])[0], start(*AHEAD)[0]]
    for loop in loops:
        steps = loop.steps()
        while loop.counters.env_steps < loop.agent.warmup_env_steps:
            next(steps)
    stored = slice(0, loops[0].replay.added - 1)
    assert np.array_equal(loops[0].replay.actions[stored], loops[1].replay.actions[stored])


@pytest.mark.parametrize("stop", [101, 250])
def test_a_resumed_agent_takes_the_action_that_it_had_chosen_ahead(stop: int) -> None:
    whole, journal = start(*AHEAD)
    run(whole)
    first, before = start(*AHEAD)
    for _, _ in zip(range(stop), first.steps(), strict=False):
        pass
    second, after = start(*AHEAD)
    for name in ("frames", "actions", "rewards", "ends", "history"):
        getattr(second.replay, name)[:] = getattr(first.replay, name)
    state = first.state_dict()
    assert state["next_action"] is not None
    second.load_state_dict(state)
    run(second)
    assert before.entries + after.entries == journal.entries
    assert after.latest[EVALUATION_RETURN] == journal.latest[EVALUATION_RETURN]
    assert np.array_equal(second.replay.actions, whole.replay.actions)


def test_an_action_chosen_ahead_is_taken_once_by_an_agent_that_acts_ahead_no_more() -> None:
    first, _ = start(*AHEAD)
    for _, _ in zip(range(50), first.steps(), strict=False):
        pass
    second, _ = start(*AHEAD[:3])
    second.load_state_dict(first.state_dict())
    second.replay.start(second.env.reset())
    assert second.next_action is not None
    second._env_step(second.obs)
    assert second.next_action is None
