"""Weight decay is L2 on the gradients before Adam: what Adam(weight_decay=…) does, and twice that for SAC's actor."""

from __future__ import annotations

import pytest
import torch

from redo_lab.neurons.hooks import Hooks
from tests.helpers.agents import batches, tiny
from tests.helpers.methods import regulariser


def never(n: int) -> None:
    raise AssertionError("weight decay draws nothing")


def test_a_step_adds_the_coefficient_times_the_weight_to_every_gradient() -> None:
    agent = tiny("dqn")
    decay = regulariser("weight_decay", agent, coefficient=0.5)
    (network,) = agent.networks()
    parameters = list(network.online.parameters())
    with torch.no_grad():
        for i, parameter in enumerate(parameters):
            parameter.fill_(2.0 * i)
            parameter.grad = torch.full_like(parameter, 10.0)
    parameters[0].grad = None
    decay.before_step(network)
    assert parameters[0].grad is None
    assert [p.grad.unique().tolist() for p in parameters[1:]] == [[10.0 + i] for i in range(1, len(parameters))]
    assert [p.unique().tolist() for p in parameters] == [[2.0 * i] for i in range(len(parameters))]


@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_it_is_what_adam_s_own_coupled_decay_does_and_twice_that_on_sac_s_actor(name: str) -> None:
    ours, theirs = tiny(name), tiny(name)
    hooks = Hooks([(regulariser("weight_decay", ours, coefficient=0.1), never)])
    for optimizer in theirs.optimizers[:2]:
        is_actor = name == "sac" and optimizer is theirs.actor_optimizer
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.2 if is_actor else 0.1
    for batch in batches(name, 5):
        ours.update(batch, hooks)
        theirs.update(batch)
    for one, other in zip(ours.networks(), theirs.networks(), strict=True):
        for p, q in zip(one.online.parameters(), other.online.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-7)
    if name == "sac":
        assert torch.allclose(ours.log_temperature, theirs.log_temperature, atol=1e-7)
