"""L2-init pulls every parameter towards its value at the start: the penalty and its gradient by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from redo_lab.neurons.hooks import Hooks
from redo_lab.types import Counters
from tests.helpers.agents import batches, through_a_file, tiny
from tests.helpers.methods import part, regulariser


def never(n: int) -> None:
    raise AssertionError("L2-init draws nothing")


def moved(agent: object, by: float) -> None:
    with torch.no_grad():
        for network in agent.networks():  # type: ignore[attr-defined]
            for parameter in network.online.parameters():
                parameter.add_(by)


def test_the_penalty_is_the_coefficient_times_the_squared_distance_and_its_gradient_twice_the_distance() -> None:
    agent = tiny("dqn")
    pull = regulariser("l2_init", agent, coefficient=0.25)
    (network,) = agent.networks()
    parameters = list(network.online.parameters())
    assert pull.loss(network, None, never).item() == 0
    with torch.no_grad():
        parameters[0][0, 0, 0, 0] += 3.0
        parameters[1][2] -= 4.0
    loss = pull.loss(network, None, never)
    assert loss.item() == pytest.approx(0.25 * (9 + 16), rel=1e-5)
    loss.backward()
    assert parameters[0].grad[0, 0, 0, 0].item() == pytest.approx(2 * 0.25 * 3, rel=1e-5)
    assert parameters[1].grad[2].item() == pytest.approx(-2 * 0.25 * 4, rel=1e-5)
    assert sum(int(p.grad.count_nonzero()) for p in parameters) == 2


@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_the_loss_of_an_update_has_it_added_and_the_logged_loss_has_not(name: str) -> None:
    agent, plain = tiny(name), tiny(name)
    hooks = Hooks([(regulariser("l2_init", agent, coefficient=2.0), never)])
    moved(agent, 0.5)
    moved(plain, 0.5)
    batch = batches(name, 1)[0]
    metrics, without = agent.update(batch, hooks), plain.update(batch)
    assert metrics["train/q_mean"] == without["train/q_mean"]
    key = "train/loss" if name == "dqn" else "train/critic_loss"
    assert metrics[key] == without[key]
    for network in plain.networks():
        count = sum(p.numel() for p in network.online.parameters())
        name_of = f"l2_init/penalty_{network.name}" if network.name else "l2_init/penalty"
        assert hooks.penalties[name_of].item() == pytest.approx(2.0 * 0.25 * count, rel=1e-4)
    if name == "dqn":
        pairs = zip(agent.online.parameters(), plain.online.parameters(), strict=True)
        assert all(torch.allclose(p.grad - q.grad, torch.full_like(p, 2 * 2.0 * 0.5), atol=1e-4) for p, q in pairs)


def test_the_start_is_that_of_construction_survives_a_file_and_recycling() -> None:
    agent = tiny("dqn")
    pull = regulariser("l2_init", agent)
    start = [p.detach().clone() for p in agent.online.parameters()]
    moved(agent, 1.0)
    part("redo").after_update(agent, Counters(updates=1), lambda n: batches("dqn", 1)[0])
    other = tiny("dqn", seed=5)
    restored = regulariser("l2_init", other)
    restored.load_state_dict(through_a_file(pull.state_dict()))
    other.load_state_dict(through_a_file(agent.state_dict()))
    (ours,), (theirs,) = agent.networks(), other.networks()
    pairs = zip(agent.online.parameters(), start, strict=True)
    expected = 1e-3 * sum(float((p.detach() - s).square().sum()) for p, s in pairs)
    values: list[Tensor] = [pull.loss(ours, None, never), restored.loss(theirs, None, never)]
    assert torch.equal(*values)
    assert values[0].item() == pytest.approx(expected, rel=1e-5)


def test_the_saved_start_shares_no_memory_with_the_living_one() -> None:
    agent = tiny("dqn")
    pull = regulariser("l2_init", agent)
    saved = pull.state_dict()["initial"]
    living = [*pull.initial.values(), *agent.online.parameters()]
    assert not {value.data_ptr() for value in saved} & {value.data_ptr() for value in living}
