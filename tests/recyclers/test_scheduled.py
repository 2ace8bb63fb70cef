"""Scheduled recycling: how many neurons, which ones by each order, and that equals are drawn by lot."""

from __future__ import annotations

import math

import pytest
import torch

from redo_lab.config import ConfigError, build, parse
from redo_lab.neurons.scores import activations
from redo_lab.recyclers.scheduled import ScheduledRecycling, cosine_share, count, utility
from redo_lab.types import Counters
from tests.helpers.tiny_agent import SURGERY, changed, generator, neuron_masks, trained

NODE = {
    "_target_": "redo_lab.recyclers.scheduled.ScheduledRecycling",
    "selection": "lowest_score",
    "rate": 0.5,
    "end_updates": 100,
    "period_updates": 10,
    "batch_size": 16,
    **{name: getattr(value, "value", value) for name, value in SURGERY.items()},
}
OUTPUTS = [
    # conv: E|h| = 3, 1, 2. dense: E|h| = 1, 0, 4, 2.
    torch.tensor([3.0, 1.0, 2.0]).view(1, 3, 1, 1).expand(2, 3, 2, 2),
    torch.tensor([[1.0, 0.0, 5.0, 2.0], [1.0, 0.0, 3.0, 2.0]]),
]


def scheduled(seed: int = 0, **changes: object) -> ScheduledRecycling:
    part = build({**NODE, **changes}, "recyclers.x", name="x", generator=generator(seed))
    assert isinstance(part, ScheduledRecycling)
    return part


def chosen(selection: str, share: float, seed: int = 0) -> list[set[int]]:
    layers = trained().hidden_layers()
    return [set(n.tolist()) for n in scheduled(seed, selection=selection).choose(layers, OUTPUTS, share)]


def test_the_share_falls_as_a_cosine_from_the_rate_to_zero() -> None:
    assert cosine_share(0.1, 0, 300) == pytest.approx(0.1)
    assert cosine_share(0.1, 100, 300) == pytest.approx(0.1 * math.sqrt(3) / 2)
    assert cosine_share(0.1, 150, 300) == pytest.approx(0.1 / math.sqrt(2))
    assert cosine_share(0.1, 200, 300) == pytest.approx(0.05)
    assert cosine_share(0.1, 300, 300) == cosine_share(0.1, 900, 300) == 0


def test_the_count_is_rounded_and_at_least_one_while_the_share_is_positive() -> None:
    assert [count(0.1, n) for n in (32, 64, 512, 4)] == [3, 6, 51, 1]
    assert count(1e-9, 512) == 1
    assert count(0.0, 512) == 0


def test_lowest_scores_go_first() -> None:
    assert chosen("lowest_score", 0.5) == [{1, 2}, {0, 1}]


def test_inverse_takes_the_highest_scores() -> None:
    assert chosen("highest_score", 0.5) == [{0, 2}, {2, 3}]


def test_random_takes_exactly_as_many_and_every_neuron_as_often() -> None:
    part, layers = scheduled(selection="random"), trained().hidden_layers()
    picks = [part.choose(layers, OUTPUTS, 0.5)[1].tolist() for _ in range(200)]
    assert all(len(set(pick)) == 2 for pick in picks)
    times = [sum(i in pick for pick in picks) for i in range(4)]
    assert min(times) > 75, f"each should be picked about 100 times, got {times}"


def test_utility_is_deviation_times_outgoing_over_incoming_by_hand() -> None:
    agent = trained()
    net, dense = agent.online, agent.hidden_layers()[1]
    found = utility(dense, OUTPUTS[1]).tolist()
    # Deviations of the columns: 0, 0, 1, 0.
    out = net.head.weight[:, 2].abs().sum() + net.value.weight[:, 2].abs().sum()
    assert found == pytest.approx([0, 0, float((out / net.dense.weight[2].abs().sum()).detach()), 0])


def test_utility_of_a_map_deviates_over_batch_and_positions() -> None:
    agent = trained()
    net, conv = agent.online, agent.hidden_layers()[0]
    h = torch.zeros(2, 3, 2, 2)
    h[0, 1] = torch.tensor([[4.0, 0.0], [0.0, 0.0]])  # mean 0.5; deviations 3.5 once, 0.5 seven times
    expected = 7 / 8 * net.dense.weight[:, 4:8].abs().sum() / net.conv.weight[1].abs().sum()
    assert utility(conv, h).tolist() == pytest.approx([0, float(expected.detach()), 0])


def test_lowest_utility_goes_first() -> None:
    agent = trained()
    layers, batch = agent.hidden_layers(), agent.sample(16)
    outputs = activations(layers, lambda: agent.forward(batch))
    found = scheduled(selection="lowest_utility").choose(layers, outputs, 0.5)
    for layer, h, neurons in zip(layers, outputs, found, strict=True):
        assert set(neurons.tolist()) == set(utility(layer, h).argsort()[: len(neurons)].tolist())


@pytest.mark.parametrize("selection", ["lowest_score", "highest_score", "random", "lowest_utility"])
def test_exactly_the_scheduled_number_is_recycled_even_where_all_are_equal(selection: str) -> None:
    agent = trained()
    with torch.no_grad():
        for layer in agent.hidden_layers():
            layer.layer.weight.fill_(0.0)
            layer.layer.weight[:, 0] = 0.01
            layer.layer.bias.fill_(1.0)
            for reader in layer.readers:
                reader.layer.weight.fill_(0.1)
    before = agent.everything()
    metrics = scheduled(selection=selection).after_update(agent, Counters(updates=50), agent.sample)  # type: ignore[arg-type]
    # share = 0.5 / sqrt 2 = 0.354: of 3 and 4 neurons, 1 each.
    assert {n: int(v) for n, v in metrics.items()} == {
        "x/recycled_conv": 1,
        "x/recycled_dense": 1,
        "x/recycled_total": 2,
    }
    differences = changed(before, agent.everything())
    conv, dense = (int(differences[f"{name}.bias"].nonzero()) for name in ("conv", "dense"))
    masks = neuron_masks(agent, [conv], [dense])
    assert not any((mask & ~masks[name.partition("/")[0]]).any() for name, mask in differences.items())


def test_equals_are_drawn_by_the_recycling_generator() -> None:
    layers, flat = trained().hidden_layers(), [torch.ones(2, 3, 2, 2), torch.ones(2, 4)]
    draws = [tuple(scheduled(seed).choose(layers, flat, 0.25)[1].tolist()) for seed in range(20)]
    assert len(set(draws)) == 4
    assert draws == [tuple(scheduled(seed).choose(layers, flat, 0.25)[1].tolist()) for seed in range(20)]


def test_it_acts_at_its_period_and_stops_at_the_end() -> None:
    agent, part = trained(), scheduled()
    acted = [u for u in range(1, 131) if part.after_update(agent, Counters(updates=u), agent.sample)]  # type: ignore[arg-type]
    assert acted == [10, 20, 30, 40, 50, 60, 70, 80, 90]


def test_a_restored_one_continues_the_same_draws() -> None:
    part, other = scheduled(selection="random"), scheduled(9, selection="random")
    layers = trained().hidden_layers()
    part.choose(layers, OUTPUTS, 0.5)
    other.load_state_dict(part.state_dict())
    for _ in range(5):
        assert [n.tolist() for n in part.choose(layers, OUTPUTS, 0.5)] == [
            n.tolist() for n in other.choose(layers, OUTPUTS, 0.5)
        ]


@pytest.mark.parametrize(
    ("key", "value"),
    [("rate", 0.0), ("rate", 1.1), ("end_updates", 0), ("period_updates", 0), ("batch_size", 0), ("selection", "none")],
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        parse({**NODE, key: value}, "recyclers.x")
