"""ReDo: the scores of Eq. 1, which neurons they choose, when, and with whose random numbers."""

from __future__ import annotations

import copy

import pytest
import torch

from redo_lab.config import ConfigError, build, parse
from redo_lab.neurons.scores import dormancy_scores, normalised_score
from redo_lab.recyclers.redo import ReDo
from redo_lab.types import Counters, Transition
from tests.helpers.tiny_agent import SURGERY, TinyAgent, changed, generator, neuron_masks, trained

NODE = {
    "_target_": "redo_lab.recyclers.redo.ReDo",
    "threshold": 0.1,
    "period_updates": 5,
    "batch_size": 16,
    **{name: getattr(value, "value", value) for name, value in SURGERY.items()},
}


def redo(seed: int = 0, **changes: object) -> ReDo:
    part = build({**NODE, **changes}, "recyclers.redo", name="redo", generator=generator(seed))
    assert isinstance(part, ReDo)
    return part


@torch.no_grad()
def kill(agent: TinyAgent, conv: list[int], dense: list[int]) -> None:
    """These neurons output 0 whatever comes in."""
    for layer, neurons in ((agent.online.conv, conv), (agent.online.dense, dense)):
        layer.weight[neurons] = 0
        layer.bias[neurons] = -1


def test_a_score_is_the_mean_magnitude_over_the_layer_mean_by_hand() -> None:
    h = torch.tensor([[1.0, 0.0, -2.0], [3.0, 0.0, 0.0]])
    # E|h| = 2, 0, 1; their mean is 1.
    assert normalised_score(h).tolist() == pytest.approx([2.0, 0.0, 1.0])


def test_a_map_is_one_neuron_whose_score_averages_over_positions() -> None:
    h = torch.tensor([[[[1.0, -1.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 12.0]]]])
    # E|h| = 1 and 3; their mean is 2.
    assert normalised_score(h).tolist() == pytest.approx([0.5, 1.5])


def test_a_layer_that_is_silent_altogether_scores_zero_not_nan() -> None:
    assert normalised_score(torch.zeros(2, 3)).tolist() == [0, 0, 0]


def test_scores_of_a_network_are_those_of_its_activations() -> None:
    agent = trained()
    batch = agent.sample(16)
    conv, dense = dormancy_scores(agent.hidden_layers(), lambda: agent.forward(batch))
    with torch.no_grad():
        maps = agent.online.conv(batch.obs).relu()
        features = agent.online.dense(maps.flatten(1)).relu()
    assert torch.allclose(conv, maps.mean((0, 2, 3)) / maps.mean())
    assert torch.allclose(dense, features.mean(0) / features.mean())


def test_a_score_equal_to_the_threshold_is_dormant() -> None:
    masks = redo(threshold=0.1).choose([torch.tensor([0.0999, 0.1, 0.1001]), torch.tensor([0.0])])
    assert [mask.tolist() for mask in masks] == [[True, True, False], [True]]


def test_threshold_zero_chooses_only_neurons_that_never_fired() -> None:
    assert redo(threshold=0.0).choose([torch.tensor([0.0, 1e-9])])[0].tolist() == [True, False]


def test_at_threshold_zero_the_outputs_stay_bit_identical() -> None:
    agent = trained()
    kill(agent, [0], [1, 3])
    obs = agent.sample(32).obs
    before, metrics = agent.online(obs), redo(threshold=0.0).after_update(agent, Counters(updates=5), agent.sample)  # type: ignore[arg-type]
    assert metrics["redo/recycled_total"] == 3
    assert torch.equal(agent.online(obs), before)


def test_exactly_the_dormant_neurons_are_recycled_and_counted() -> None:
    agent = trained()
    kill(agent, [2], [0])
    before = agent.everything()
    metrics = redo(threshold=0.0).after_update(agent, Counters(updates=5), agent.sample)  # type: ignore[arg-type]
    assert {name: int(n) for name, n in metrics.items()} == {
        "redo/recycled_conv": 1,
        "redo/recycled_dense": 1,
        "redo/recycled_total": 2,
    }
    masks = neuron_masks(agent, [2], [0])
    differences = changed(before, agent.everything())
    assert (differences["conv.weight"] == masks["conv.weight"]).all()
    assert not any((mask & ~masks[name.partition("/")[0]]).any() for name, mask in differences.items())


def test_it_acts_at_multiples_of_its_period_only() -> None:
    agent, part = trained(), redo(threshold=100.0, period_updates=3)
    acted = [u for u in range(1, 10) if part.after_update(agent, Counters(updates=u), agent.sample)]  # type: ignore[arg-type]
    assert acted == [3, 6, 9]


def test_it_asks_its_own_sampler_for_its_own_batch_size_and_only_when_due() -> None:
    agent, part, asked = trained(), redo(batch_size=11), []

    def sample(n: int) -> Transition:
        asked.append(n)
        return agent.sample(n)

    for u in range(1, 11):
        part.after_update(agent, Counters(updates=u), sample)  # type: ignore[arg-type]
    assert asked == [11, 11]


def test_draws_come_from_its_own_generator() -> None:
    agents = [trained(), trained()]
    state = torch.random.get_rng_state()
    for agent in agents:
        redo(seed=5, threshold=100.0).after_update(agent, Counters(updates=5), agent.sample)  # type: ignore[arg-type]
    assert not changed(agents[0].everything(), agents[1].everything())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_restored_recycler_continues_the_same_draws() -> None:
    agent, part = trained(), redo(threshold=100.0)
    part.after_update(agent, Counters(updates=5), agent.sample)  # type: ignore[arg-type]
    other, twin = redo(seed=9, threshold=100.0), copy.deepcopy(agent)
    other.load_state_dict(part.state_dict())
    part.after_update(agent, Counters(updates=10), agent.sample)  # type: ignore[arg-type]
    other.after_update(twin, Counters(updates=10), twin.sample)  # type: ignore[arg-type]
    assert not changed(agent.everything(), twin.everything())


@pytest.mark.parametrize(
    ("key", "value"), [("threshold", -0.1), ("period_updates", 0), ("batch_size", 0), ("incoming", "other")]
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        parse({**NODE, key: value}, "recyclers.redo")
