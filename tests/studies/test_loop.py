"""The order of things in online reinforcement learning: updates, probes, evaluation, interventions, target network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from redo_lab.plan import CheckedRun
from redo_lab.replay.ring import TERMINATED, TRUNCATED
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.seeding import Seeds
from redo_lab.state_bytes import decode, encode
from redo_lab.studies.loop import Loop
from redo_lab.types import Counters, Step
from tests.helpers.composing import composed

WORDS = ["env=minatar/breakout", "scale=smoke", "network.width=0.25", "probe=none", "evaluation=episodes"]


def copied(loop: Loop) -> Any:
    """Its state, as a checkpoint has it: nothing shared."""
    return decode(encode(loop.state_dict()), torch.device("cpu"))


class Noted:
    """A journal that keeps everything."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, str]] = []
        self.latest: dict[str, float] = {}

    def add(self, counters: Counters, values: Mapping[str, Any]) -> None:
        self.entries += [(counters.env_steps, counters.updates, name) for name in values]
        self.latest.update({name: float(value) for name, value in values.items()})

    def give_up(self, reason: str) -> None:
        raise AssertionError(reason)


def start(*words: str) -> tuple[Loop, Noted]:
    journal = Noted()
    study = CheckedRun.of(composed(*WORDS, *words)[0]).study
    loop = study.start(Seeds(0), torch.device("cpu"), journal)
    assert isinstance(loop, Loop)
    return loop, journal


def run(loop: Loop) -> None:
    for _ in loop.steps():
        pass


def events(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What happens after the warm-up, in its order: (what, the update or the agent step it belongs to)."""
    seen: list[tuple[str, int]] = []

    def play(*_: object) -> Iterator[None]:
        seen.append(("evaluate", loop.counters.env_steps))
        yield
        return {EVALUATION_RETURN: 0.0}  # type: ignore[return-value]

    monkeypatch.setattr(loop.evaluation, "play", play)
    monkeypatch.setattr(loop.aftercare, "measure", lambda counters: seen.append(("measure", counters.updates)))
    monkeypatch.setattr(loop.aftercare, "intervene", lambda counters: seen.append(("intervene", counters.updates)))
    monkeypatch.setattr(loop.agent, "end_env_step", lambda env_step: seen.append(("target", env_step)))
    run(loop)
    return [event for event in seen if event[0] != "target" or event[1] >= 398]


def test_evaluation_comes_after_the_updates_and_before_the_interventions_of_its_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["replay_ratio=2", "training.iterations=2", "agent.warmup_env_steps=196", "agent.update_period_env_steps=2"]
    loop, _ = start(*words)
    order = events(loop, monkeypatch)
    assert order[:13] == [
        *(("measure", 1), ("intervene", 1), ("measure", 2), ("intervene", 2), ("measure", 3), ("intervene", 3)),
        *(("measure", 4), ("intervene", 4)),
        *(("measure", 5), ("measure", 6), ("measure", 7), ("measure", 8), ("evaluate", 200)),
    ]
    assert order[13:17] == [("intervene", 5), ("intervene", 6), ("intervene", 7), ("intervene", 8)]


def test_no_intervention_acts_on_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, _ = start("replay_ratio=1", "training.iterations=2", "agent.update_period_env_steps=1")
    order = events(loop, monkeypatch)
    last = loop.counters.updates
    assert ("measure", last) in order
    assert ("intervene", last) not in order
    assert ("intervene", last - 1) in order
    assert order[-2:] == [("evaluate", 400), ("target", 400)]


def test_the_target_is_copied_after_the_updates_and_interventions_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, _ = start("replay_ratio=1", "training.iterations=2", "agent.update_period_env_steps=1")
    order = events(loop, monkeypatch)
    at = order.index(("target", 399))
    assert [what for what, _ in order[at - 2 : at]] == ["measure", "intervene"]


def test_a_network_is_evaluated_before_it_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["replay_ratio=1", "training.iterations=3", "recycler=reset", "recyclers.reset.period_updates=null"]
    loop, journal = start(*words, "recyclers.reset.period_env_steps=200")
    run(loop)
    names = [
        (env_steps, name) for env_steps, _, name in journal.entries if name in (EVALUATION_RETURN, "reset/reset_layers")
    ]
    assert names == [
        *((200, EVALUATION_RETURN), (200, "reset/reset_layers")),
        *((400, EVALUATION_RETURN), (400, "reset/reset_layers")),
        (600, EVALUATION_RETURN),
    ]


def test_a_run_stopped_within_an_evaluation_does_the_same_as_one_that_was_not() -> None:
    words = ["replay_ratio=1", "training.iterations=2", "recycler=redo", "recyclers.redo.period_updates=8"]
    whole, journal = start(*words)
    run(whole)
    first, before = start(*words)
    steps = first.steps()
    while first.phase != "evaluation":
        next(steps)
    second, after = start(*words)
    for name in ("frames", "actions", "rewards", "ends", "history"):
        getattr(second.replay, name)[:] = getattr(first.replay, name)
    second.load_state_dict(first.state_dict())
    run(second)
    assert before.entries + after.entries == journal.entries
    for one, other in zip(whole.agent.networks(), second.agent.networks(), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.online.parameters(), other.online.parameters(), strict=True))


def test_truncation_is_stored_as_truncation_and_termination_as_termination(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, _ = start("replay_ratio=1")
    obs = loop.env.reset()
    loop.replay.start(obs)
    ends = {"truncated": TRUNCATED, "terminated": TERMINATED}
    for end, stored in ends.items():
        step = Step(obs, 0.0, end == "terminated", end == "truncated", 1.0)
        monkeypatch.setattr(loop.env, "step", lambda action, step=step: step)
        loop._env_step(obs)
        # The newest entry is the first of the next episode.
        assert loop.replay.ends[(loop.replay.added - 2) % loop.replay.config.capacity] == stored


def test_the_progress_says_when_it_evaluates_and_counts_agent_steps_only() -> None:
    loop, _ = start("replay_ratio=1", "training.iterations=1")
    phases = [loop.progress()[::3] for _ in loop.steps()]
    assert [done for done, phase in phases if phase == "training"] == list(range(1, 201))
    assert {done for done, phase in phases if phase == "evaluation"} == {200}
    assert loop.progress()[:3] == (200, 200, "agent steps")


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


def test_the_shortest_warm_up_that_is_accepted_leaves_a_transition_for_the_first_update() -> None:
    loop, _ = start("replay_ratio=1", "agent.update_period_env_steps=1", "agent.n_step=3", "agent.warmup_env_steps=2")
    for _, _ in zip(range(3), loop.steps(), strict=False):
        pass
    assert (loop.counters.env_steps, loop.counters.updates) == (3, 1)


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
