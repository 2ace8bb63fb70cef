"""Every shipped recycling method builds from its YAML, alone and together with others, on every agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from redo_lab.commands.words import quoted
from redo_lab.neurons.surgery import Redraws
from redo_lab.options import groups
from redo_lab.types import Counters, Transition
from tests.helpers.agents import batches, tiny
from tests.helpers.composing import composed
from tests.helpers.methods import WITH_CLASS, part


def recyclers(*overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
    plain, _ = composed(*overrides)
    return plain["recyclers"], plain


def act(method: Any, agent: Any, batch: Transition, update: int) -> dict[str, torch.Tensor]:
    """One update and what the method does after it."""
    agent.update(batch)
    found: dict[str, torch.Tensor] = method.after_update(
        agent, Counters(env_steps=update, updates=update), lambda n: batch
    )
    return found


@pytest.mark.parametrize("name", WITH_CLASS)
@pytest.mark.parametrize("agent_name", ["dqn", "drq_eps", "sac"])
def test_every_method_acts_on_every_agent_and_reports_it(name: str, agent_name: str) -> None:
    agent, method, data = tiny(agent_name), part(name), batches(agent_name, 6)
    seen: dict[str, torch.Tensor] = {}
    before = [p.detach().clone() for network in agent.networks() for p in network.online.parameters()]
    for i, batch in enumerate(data, start=1):
        seen |= act(method, agent, batch, i)
    assert seen
    assert all(key.startswith(f"{name}/") and value.dim() == 0 for key, value in seen.items())
    assert all(bool(p.isfinite().all()) for network in agent.networks() for p in network.online.parameters())
    after = [p for network in agent.networks() for p in network.online.parameters()]
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", WITH_CLASS)
def test_the_state_of_every_method_survives_a_file_and_continues(name: str, tmp_path: Path) -> None:
    data = batches("dqn", 8)
    agents, methods = [tiny("dqn"), tiny("dqn")], [part(name), part(name)]

    def run(which: int, first: int, last: int) -> None:
        for i in range(first, last):
            act(methods[which], agents[which], data[i], i + 1)

    run(0, 0, 4)
    torch.save([agents[0].state_dict(), methods[0].state_dict()], tmp_path / "state.pt")
    agent_state, state = torch.load(f"{tmp_path}/state.pt", weights_only=True)
    agents[1].load_state_dict(agent_state)
    methods[1].load_state_dict(state)
    run(0, 4, 8)
    run(1, 4, 8)
    ours, theirs = (agent.online.parameters() for agent in agents)
    assert all(torch.equal(p, q) for p, q in zip(ours, theirs, strict=True))


def test_the_schedule_ends_with_the_planned_updates() -> None:
    found, plain = recyclers("recycler=random", "replay_ratio=0.5", "scale=smoke")
    training, warmup = plain["training"], plain["agent"]["warmup_env_steps"]
    steps = training["iterations"] * training["iteration_env_steps"] - warmup
    assert found["random"]["end_updates"] == steps // 2


def test_methods_act_in_the_order_given() -> None:
    assert list(recyclers("recycler=[prune,reset,redo]")[0]) == ["prune", "reset", "redo"]


def test_a_sweep_over_lists_of_methods_composes_each() -> None:
    word = quoted("recycler=none,redo,[redo,reset]", groups())
    choices = list(OverridesParser.create().parse_overrides([word])[0].sweep_string_iterator())
    assert [list(recyclers(f"recycler={choice}")[0]) for choice in choices] == [[], ["redo"], ["redo", "reset"]]


def test_every_method_that_draws_weights_anew_says_so() -> None:
    marked = {name for name in WITH_CLASS if isinstance(part(name).config, Redraws)}
    assert marked == set(WITH_CLASS) - {"prune"}
