import pytest
import torch

from redo_lab.probes.norms import Norms, parameters
from tests.helpers.probes import Chain, HandAgent, always, measure, rounded

PERIOD = 10


def norms(period_updates: int = PERIOD) -> Norms:
    return Norms(Norms.Config(period_updates=period_updates, batch_size=2))


def hand_agent() -> HandAgent:
    return HandAgent({"": Chain([[[3, 0], [0, 4]], [[2, 0], [0, 0]], [[0, 6]]])})


def test_feature_norm_is_the_mean_over_the_batch_of_the_euclidean_norm() -> None:
    found = measure(norms(), hand_agent(), PERIOD, always([[1, 1], [0, 0.25]]))
    # Layer 1: (3, 4) and (0, 1); layer 2: (6, 0) and (0, 0).
    assert found["norms/layer1_feature"] == pytest.approx((5 + 1) / 2)
    assert found["norms/layer2_feature"] == pytest.approx((6 + 0) / 2)


def test_weight_norms_are_of_layers_and_in_total_with_the_output_layer() -> None:
    found = measure(norms(), hand_agent(), PERIOD, always([[1, 1]]))
    expected = {"layer1": 5, "layer2": 2, "total": (25 + 4 + 36) ** 0.5}
    assert {name: found[f"norms/{name}_weight"] for name in expected} == pytest.approx(expected)


def test_the_bias_is_part_of_its_layer() -> None:
    hand = hand_agent()
    hand.chains[""].layers[0].bias = torch.nn.Parameter(torch.tensor([0.0, 12]))
    assert measure(norms(), hand, PERIOD, always([[1, 1]]))["norms/layer1_weight"] == pytest.approx(13)


def test_gradient_norm_is_of_what_the_last_update_left() -> None:
    hand = hand_agent()
    first, second, head = (layer.weight for layer in hand.chains[""].layers)
    first.grad, head.grad = torch.full((2, 2), 1.0), torch.tensor([[0.0, 3]])
    found = measure(norms(), hand, PERIOD, always([[1, 1]]))
    expected = {"layer1": 2, "layer2": 0, "total": 13**0.5}
    assert {name: found[f"norms/{name}_gradient"] for name in expected} == pytest.approx(expected)
    assert second.grad is None


def test_update_norm_is_the_change_since_the_update_before() -> None:
    hand, probe, sample = hand_agent(), norms(), always([[1, 1]])
    first, _, head = (layer.weight for layer in hand.chains[""].layers)
    for updates in range(1, PERIOD + 1):
        first.data += 0.5  # every update; norm 1
        if updates == PERIOD:
            head.data += torch.tensor([[0.0, 2]])
        found = measure(probe, hand, updates, sample)
        assert bool(found) == (updates == PERIOD)
    expected = {"layer1": 1, "layer2": 0, "total": 5**0.5}
    assert {name: found[f"norms/{name}_update"] for name in expected} == pytest.approx(expected)


def test_the_copy_is_held_only_between_the_two_updates() -> None:
    hand, probe, sample = hand_agent(), norms(), always([[1, 1]])
    held = []
    for updates in range(1, PERIOD + 2):
        measure(probe, hand, updates, sample)
        held.append(probe.before is not None)
    assert held == [updates == PERIOD - 1 for updates in range(1, PERIOD + 2)]


def test_measuring_every_update_has_no_update_norm_at_the_first_only() -> None:
    hand, probe, sample = hand_agent(), norms(1), always([[1, 1]])
    found = [measure(probe, hand, updates, sample) for updates in (1, 2, 3)]
    assert ["norms/total_update" in f for f in found] == [False, True, True]


def test_feature_maps_are_flattened_and_networks_have_norms_of_their_own() -> None:
    conv = Chain([torch.ones(1, 1, 1, 1), torch.full((1, 4), 1.0)])
    agent = HandAgent({"actor": conv, "critic": Chain([torch.full((2, 1, 1, 1), 2.0), torch.zeros(1, 8)])})
    found = rounded(measure(norms(), agent, PERIOD, always(torch.full((1, 1, 2, 2), 3.0))))
    assert found["norms/actor/layer1_feature"] == 6
    assert found["norms/critic/layer1_feature"] == pytest.approx(288**0.5, abs=1e-3)
    assert found["norms/actor_weight"] == pytest.approx(5**0.5, abs=1e-3)
    assert found["norms/critic_weight"] == pytest.approx(8**0.5, abs=1e-3)
    assert found["norms/total_weight"] == pytest.approx(13**0.5, abs=1e-3)


def test_a_layer_read_by_another_is_counted_once_in_total() -> None:
    layers = hand_agent().hidden_layers()
    assert len(parameters(layers)["total"]) == 3
