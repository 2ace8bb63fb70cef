"""Pruning: what is found dormant is gone for good, and everything else trains on."""

from __future__ import annotations

import pytest
import torch

from redo_lab.config import ConfigError, build, parse
from redo_lab.neurons.scores import activations
from redo_lab.recyclers.prune import Prune
from redo_lab.types import Counters
from tests.helpers.interventions import Trial
from tests.helpers.tiny_agent import TinyAgent, changed, generator, neuron_masks, trained
from tests.recyclers.test_redo import NODE as REDO
from tests.recyclers.test_redo import kill

NODE = {"_target_": "redo_lab.recyclers.prune.Prune", "threshold": 0.0, "period_updates": 10, "batch_size": 16}


def prune(**changes: object) -> Prune:
    part = build({**NODE, **changes}, "recyclers.prune", name="prune", generator=generator())
    assert isinstance(part, Prune)
    return part


def act(agent: TinyAgent, part: Prune, updates: int) -> dict[str, torch.Tensor]:
    return part.after_update(agent, Counters(updates=updates), agent.sample)  # type: ignore[arg-type]


def pruned_agent() -> tuple[TinyAgent, Prune]:
    agent, part = trained(), prune()
    kill(agent, [1], [0, 3])
    act(agent, part, 10)
    return agent, part


def assert_gone(agent: TinyAgent, conv: list[int], dense: list[int]) -> None:
    state = agent.everything()
    for name, mask in neuron_masks(agent, conv, dense).items():
        for key in (name, f"{name}/exp_avg", f"{name}/exp_avg_sq"):
            assert (state[key][mask] == 0).all(), key


def test_dormant_neurons_lose_all_weights_and_moments_and_no_others_do() -> None:
    agent, part = trained(), prune()
    kill(agent, [1], [0, 3])
    before = agent.everything()
    metrics = act(agent, part, 10)
    assert {name: int(n) for name, n in metrics.items()} == {
        "prune/pruned_conv": 1,
        "prune/pruned_dense": 2,
        "prune/pruned_total": 3,
    }
    assert_gone(agent, [1], [0, 3])
    masks = neuron_masks(agent, [1], [0, 3])
    differences = changed(before, agent.everything())
    assert not any((mask & ~masks[name.partition("/")[0]]).any() for name, mask in differences.items())


def test_removing_dead_neurons_leaves_the_outputs_bit_identical() -> None:
    agent, part = trained(), prune()
    kill(agent, [1], [0, 3])
    obs = agent.sample(16).obs
    before = agent.online(obs)
    act(agent, part, 10)
    assert torch.equal(agent.online(obs), before)


def test_adam_cannot_revive_them_while_the_others_train_on() -> None:
    agent, part = pruned_agent()
    before = agent.everything()
    for u in range(11, 20):
        agent.train(1)
        assert_gone(agent, [1], [0, 3])
        act(agent, part, u)
    masks = neuron_masks(agent, [1], [0, 3])
    differences = changed(before, agent.everything())
    assert (differences["head.weight"] == ~masks["head.weight"]).all()
    assert (differences["conv.weight"] == ~masks["conv.weight"]).all()


def test_what_something_else_revives_is_zero_again_after_the_next_update() -> None:
    agent, part = pruned_agent()
    with torch.no_grad():
        for parameter in agent.online.parameters():
            parameter.add_(0.1)
    assert act(agent, part, 11) == {}
    masks = neuron_masks(agent, [1], [0, 3])
    for name, parameter in agent.online.named_parameters():
        assert (parameter[masks[name]] == 0).all()
        assert (parameter[~masks[name]] != 0).any()


def test_what_is_gone_stays_gone_even_if_a_check_finds_it_revived() -> None:
    agent, part = pruned_agent()
    with torch.no_grad():
        for parameter in agent.online.parameters():
            parameter.add_(0.1)
    act(agent, part, 20)
    assert_gone(agent, [1], [0, 3])


def test_later_checks_add_to_what_is_gone() -> None:
    agent, part = pruned_agent()
    kill(agent, [], [2])
    assert int(act(agent, part, 20)["prune/pruned_total"]) == 4
    assert_gone(agent, [1], [0, 2, 3])


def test_what_is_gone_stays_gone_after_a_round_trip_and_further_steps() -> None:
    agent, part = pruned_agent()
    other = prune()
    other.load_state_dict(part.state_dict())
    for u in range(11, 20):
        agent.train(1)
        act(agent, other, u)
    assert_gone(agent, [1], [0, 3])
    with torch.no_grad():
        agent.online.dense.bias.add_(1)
    act(agent, other, 21)
    assert (agent.online.dense.bias[[0, 3]] == 0).all()
    assert int(act(agent, other, 30)["prune/pruned_total"]) == 3


def test_nothing_happens_before_the_first_check() -> None:
    agent, part = trained(), prune()
    kill(agent, [1], [0])
    before = agent.everything()
    assert [act(agent, part, u) for u in range(1, 10)] == [{}] * 9
    assert not changed(before, agent.everything())


def test_pruning_beside_what_draws_weights_anew_is_refused() -> None:
    config = parse(NODE, "recyclers.prune")
    config.check_beside({"weight_decay": {"coefficient": 1e-5}})
    with pytest.raises(ConfigError, match="redo"):
        config.check_beside({"redo": parse(REDO, "recyclers.redo")})


@pytest.mark.parametrize(("key", "value"), [("threshold", -1.0), ("period_updates", 0), ("batch_size", 0)])
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        parse({**NODE, key: value}, "recyclers.prune")


def test_under_a_norm_what_is_gone_is_silent_and_stays_so_while_a_regulariser_pulls_it_back() -> None:
    trial = Trial("dqn minatar", "layer", ("prune", "l2_init"))
    layers = [layer for layer in trial.agent.hidden_layers() if layer.readers]
    for _ in range(3):
        trial.run(2)
        gone = trial.parts[0][0].state_dict()["masks"]
        outputs = activations(layers, lambda: trial.agent.forward(trial.batch()))
        for layer, h in zip(layers, outputs, strict=True):
            assert 0 < gone[layer.name].sum() < layer.neurons
            assert (h[:, gone[layer.name]] == 0).all()
            assert (h[:, ~gone[layer.name]] != 0).any()
