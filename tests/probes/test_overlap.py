import pytest
import torch

from redo_lab.config import ConfigError
from redo_lab.probes.overlap import Overlap
from tests.helpers.probes import Chain, HandAgent, always, measure, rounded

NEURONS = 4


def overlap(*thresholds: float) -> Overlap:
    return Overlap(Overlap.Config(period_updates=5, batch_size=1, thresholds=list(thresholds)))


def agent() -> HandAgent:
    """Layer 1 passes its input on; layer 2 does too, but its neuron 3 never speaks."""
    return HandAgent(
        {"": Chain([torch.eye(NEURONS), torch.diag(torch.tensor([1.0, 1, 1, -1])), torch.ones(2, NEURONS)])}
    )


def dormant(*neurons: int) -> list[list[float]]:
    """Observations on which exactly these neurons of layer 1 are dormant."""
    return [[0.0 if i in neurons else 1.0 for i in range(NEURONS)]]


def of_layer(found: dict[str, float], layer: str) -> dict[str, float]:
    prefix = f"overlap/{layer}_"
    return {name.removeprefix(prefix).removesuffix("_tau0"): v for name, v in rounded(found).items() if prefix in name}


def test_coefficients_and_sizes_are_those_of_the_sets_over_five_measurements() -> None:
    probe, hand = overlap(0.0), agent()
    sets = [(0, 1), (1, 2), (0, 2, 3), (3,), ()]
    found = [measure(probe, hand, 5 * (i + 1), always(dormant(*members))) for i, members in enumerate(sets)]
    assert found[0] == {}
    layer1 = [of_layer(f, "layer1") for f in found[1:]]
    assert [f["previous"] for f in layer1] == [50, 50, 100, 0]
    assert [f["historical"] for f in layer1] == [50, 66.6667, 100, 0]
    assert [f["kept"] for f in layer1] == [50, 50, 33.3333, 0]
    assert [f["neurons"] for f in layer1] == [2, 3, 1, 0]
    assert [f["historical_neurons"] for f in layer1] == [2, 3, 4, 4]
    # Layer 2: {0,1,3} {1,2,3} {0,2,3} {3} {3}, and both together.
    layer2, total = ([of_layer(f, name) for f in found[1:]] for name in ("layer2", "total"))
    assert [f["previous"] for f in layer2] == [66.6667, 66.6667, 100, 100]
    assert [f["historical"] for f in layer2] == [66.6667, 100, 100, 100]
    assert [f["kept"] for f in layer2] == [66.6667, 66.6667, 33.3333, 100]
    assert [f["previous"] for f in total] == [60, 60, 100, 100]
    assert [f["historical"] for f in total] == [60, 83.3333, 100, 100]
    assert [f["historical_neurons"] for f in total] == [5, 7, 8, 8]


def test_an_empty_earlier_set_gives_zero_and_not_nan() -> None:
    probe, hand = overlap(0.0), agent()
    measure(probe, hand, 5, always(dormant()))
    found = of_layer(measure(probe, hand, 10, always(dormant(0, 1))), "layer1")
    assert found == {"previous": 0, "historical": 0, "kept": 0, "neurons": 2, "historical_neurons": 0}


def test_each_threshold_has_sets_of_its_own() -> None:
    probe, hand = overlap(0.0, 0.5), agent()
    first, second = [[0, 0.1, 1, 1]], [[1, 0.1, 0, 1]]
    measure(probe, hand, 5, always(first))
    found = measure(probe, hand, 10, always(second))
    assert found["overlap/layer1_previous_tau0"] == 0
    assert found["overlap/layer1_previous_tau0p5"] == 50
    assert found["overlap/layer1_neurons_tau0"] == 1
    assert found["overlap/layer1_neurons_tau0p5"] == 2


def test_feature_maps_are_neurons_and_networks_are_summed() -> None:
    def conv(*signs: float) -> Chain:
        return Chain([torch.tensor(signs).view(-1, 1, 1, 1), torch.ones(2, 4 * len(signs))])

    hand = HandAgent({"a": conv(1, -1), "b": conv(1, 1, 1)})
    probe, image = overlap(0.0), always(torch.ones(1, 1, 2, 2))
    measure(probe, hand, 5, image)
    hand.chains["b"].layers[0].weight.data[0] = -1
    found = measure(probe, hand, 10, image)
    assert found["overlap/a_previous_tau0"] == 100
    assert found["overlap/b_previous_tau0"] == 0
    assert found["overlap/b_neurons_tau0"] == 1
    assert found["overlap/total_kept_tau0"] == 100
    assert found["overlap/total_neurons_tau0"] == 2


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(ConfigError, match="thresholds"):
        overlap(-1.0)
