import pytest
import torch
from torch import nn

from redo_lab.config import ConfigError
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.probes.dormancy import Dormancy, dormant_percentages
from tests.helpers.probes import Chain, HandAgent, always, measure, rounded

EYE = torch.eye(4)
HEAD = torch.ones(2, 2)
# Mean outputs 0, 0.05, 1 and 2.95 have mean 1: they are the scores of layer 1. Layer 2 has 2.95 and ReLU(-2.95) = 0.
OBS = [[0, 0, 0, 2.9], [0, 0.1, 2, 3.0]]
WEIGHTS = [EYE, [[0, 0, 0, 1], [0, 0, 0, -1]], HEAD]


def dormancy(*thresholds: float) -> Dormancy:
    return Dormancy(Dormancy.Config(period_updates=10, batch_size=2, thresholds=list(thresholds)))


def test_percentages_are_per_layer_and_over_the_neurons_of_all_layers_at_each_threshold() -> None:
    found = measure(dormancy(0.0, 0.1, 1.5), HandAgent({"": Chain(WEIGHTS)}), 10, always(OBS))
    assert rounded(found) == {
        "dormant/layer1_tau0": 25,
        "dormant/layer2_tau0": 50,
        "dormant/total_tau0": 33.3333,
        "dormant/layer1_tau0p1": 50,
        "dormant/layer2_tau0p1": 50,
        "dormant/total_tau0p1": 50,
        "dormant/layer1_tau1p5": 75,
        "dormant/layer2_tau1p5": 50,
        "dormant/total_tau1p5": 66.6667,
    }


def test_several_networks_are_counted_each_and_together() -> None:
    other = Chain([EYE, EYE, torch.ones(2, 4)])
    found = measure(dormancy(0.0), HandAgent({"actor": Chain(WEIGHTS), "critic1": other}), 10, always(OBS))
    assert rounded(found) == {
        "dormant/actor/layer1_tau0": 25,
        "dormant/actor/layer2_tau0": 50,
        "dormant/critic1/layer1_tau0": 25,
        "dormant/critic1/layer2_tau0": 25,
        "dormant/actor_tau0": 33.3333,
        "dormant/critic1_tau0": 25,
        "dormant/total_tau0": 28.5714,
    }


def test_a_feature_map_is_one_neuron_and_one_active_position_keeps_it_alive() -> None:
    image = torch.zeros(1, 1, 2, 2)
    image[0, 0, 1, 0] = 3
    chain = Chain([torch.tensor([1.0, -1.0, 0.5]).view(3, 1, 1, 1), torch.ones(2, 12)])
    assert rounded(measure(dormancy(0.0), HandAgent({"": chain}), 10, always(image))) == {
        "dormant/layer1_tau0": 33.3333,
        "dormant/total_tau0": 33.3333,
    }


def test_a_layer_without_readers_counts() -> None:
    read, unread = (HiddenLayer(name, nn.Linear(1, 2), nn.ReLU(), lambda *_: None) for name in ("read", "unread"))
    scores = [torch.tensor([0.0, 2.0]), torch.tensor([0.0, 0.0])]
    assert dormant_percentages([read, unread], scores, 0.0)["total"] == 75


def test_a_layer_that_is_all_zero_is_all_dormant() -> None:
    found = measure(dormancy(0.0), HandAgent({"": Chain([-EYE, torch.ones(2, 4)])}), 10, always([[1, 1, 1, 1]]))
    assert found["dormant/total_tau0"] == 100


def test_it_measures_every_period_only() -> None:
    agent = HandAgent({"": Chain(WEIGHTS)})
    assert [bool(measure(dormancy(0.0), agent, updates, always(OBS))) for updates in (1, 9, 10, 11, 20)] == [
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("period_updates", "batch_size", "thresholds", "message"),
    [(0, 1, [0.0], "period_updates"), (1, 0, [0.0], "batch_size"), (1, 1, [], "a τ"), (1, 1, [-0.1], "≥ 0")],
)
def test_impossible_settings_are_refused(
    period_updates: int, batch_size: int, thresholds: list[float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message if message != "a τ" else "at least one τ"):
        Dormancy.Config(period_updates=period_updates, batch_size=batch_size, thresholds=thresholds)
