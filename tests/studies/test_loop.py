"""The order of things in online reinforcement learning: updates, probes, evaluation, interventions, target network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from redo_lab.replay.ring import TERMINATED, TRUNCATED
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.studies.loop import Loop
from redo_lab.types import Step
from tests.helpers.loops import run, start


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


def test_the_shortest_warm_up_that_is_accepted_leaves_a_transition_for_the_first_update() -> None:
    loop, _ = start("replay_ratio=1", "agent.update_period_env_steps=1", "agent.n_step=3", "agent.warmup_env_steps=2")
    for _, _ in zip(range(3), loop.steps(), strict=False):
        pass
    assert (loop.counters.env_steps, loop.counters.updates) == (3, 1)
