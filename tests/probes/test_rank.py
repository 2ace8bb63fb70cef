import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from redo_lab.config import ConfigError
from redo_lab.neurons.layers import HiddenLayer, Reader
from redo_lab.probes.rank import Rank, entropy_rank, penultimate, srank, stable_rank
from redo_lab.types import Transition
from tests.helpers.probes import Chain, HandAgent, always, measure, transitions


def rank(samples: int = 4, delta: float = 0.01, batch_size: int = 8) -> Rank:
    return Rank(Rank.Config(period_updates=5, batch_size=batch_size, samples=samples, delta=delta))


def passing_on(features: int) -> HandAgent:
    """The penultimate features are the observations."""
    return HandAgent({"": Chain([torch.eye(features), torch.ones(2, features)])})


def ranks(obs: Tensor, delta: float = 0.01) -> list[float]:
    found = measure(rank(delta=delta), passing_on(obs.shape[1]), 5, always(obs))
    return [found[f"rank/layer1_{kind}"] for kind in ("srank", "stable", "entropy")]


def test_ranks_of_known_singular_values() -> None:
    obs = torch.diag(torch.tensor([4.0, 3, 2, 1]))
    entropy = -sum(p * math.log(p) for p in (0.4, 0.3, 0.2, 0.1))
    assert ranks(obs) == pytest.approx([4, 30 / 16, math.exp(entropy)])
    assert ranks(obs, delta=0.15)[0] == 3  # 9 of 10
    assert ranks(obs, delta=0.35)[0] == 2  # 7 of 10
    assert ranks(obs, delta=0.65)[0] == 1  # 4 of 10


def test_a_direction_below_one_percent_does_not_count_for_srank() -> None:
    assert ranks(torch.diag(torch.tensor([60.0, 39.5, 0.5])))[0] == 2
    assert ranks(torch.diag(torch.tensor([60.0, 38.0, 2.0])))[0] == 3


def test_equal_singular_values_have_full_rank_however_often_the_rows_repeat_and_whatever_the_scale() -> None:
    obs = torch.eye(6).repeat(7, 1) * 0.003
    assert ranks(obs) == pytest.approx([6, 6, 6])


def test_one_direction_has_rank_one_and_silence_rank_zero() -> None:
    assert ranks(torch.arange(1.0, 6)[:, None] * torch.tensor([1.0, 2, 3])) == pytest.approx([1, 1, 1])
    assert ranks(torch.zeros(5, 3)) == [0, 0, 0]


def test_features_are_not_centred_and_agree_with_numpy() -> None:
    obs = torch.rand(50, 12, generator=torch.Generator().manual_seed(0)) + 1
    sigma = np.linalg.svd(obs.double().numpy(), compute_uv=False)
    shares = sigma / sigma.sum()
    expected = [
        int(np.searchsorted(np.cumsum(shares), 0.99)) + 1,
        (sigma**2).sum() / sigma[0] ** 2,
        np.exp(-(shares * np.log(shares)).sum()),
    ]
    assert ranks(obs) == pytest.approx(expected)


def test_maps_are_flattened_as_their_reader_sees_them() -> None:
    # One feature map of four positions, each active in one observation: four features of equal strength.
    hand = HandAgent({"": Chain([torch.ones(1, 1, 1, 1), torch.ones(2, 4)])})
    images = iter(torch.eye(4).view(4, 1, 2, 2))
    found = measure(rank(samples=1, batch_size=1), hand, 5, lambda _: transitions(next(images)[None]))
    assert found["rank/layer1_srank"] == 4


def test_it_measures_the_last_layer_with_readers_of_each_network() -> None:
    chains = {name: Chain([torch.eye(3), torch.eye(3), torch.ones(2, 3)]) for name in ("actor", "critic1")}
    layers = HandAgent(chains).hidden_layers()
    stream = HiddenLayer("critic1/stream", nn.Linear(3, 3), nn.ReLU(), lambda *_: None)
    assert [layer.name for layer in penultimate([*layers, stream])] == ["actor/layer2", "critic1/layer2"]


@pytest.mark.parametrize(("samples", "drawn"), [(4, [4, 4]), (9, [4, 4, 4]), (1, [4, 4])])
def test_it_draws_whole_batches_until_samples_and_features_are_reached(samples: int, drawn: list[int]) -> None:
    asked: list[int] = []

    def sample(n: int) -> Transition:
        asked.append(n)
        return transitions(torch.rand(n, 8))

    measure(rank(samples, batch_size=4), passing_on(8), 5, sample)
    assert asked == drawn


def test_batches_are_stacked() -> None:
    rows = iter(torch.eye(4).split(2))
    hand = HandAgent({"": Chain([torch.eye(4), torch.ones(2, 4)])})
    assert measure(rank(batch_size=2), hand, 5, lambda _: transitions(next(rows)))["rank/layer1_srank"] == 4


def test_formulas_agree_with_each_other_at_their_bounds() -> None:
    sigma = torch.tensor([5.0, 0, 0], dtype=torch.float64)
    assert [srank(sigma, 0.01).item(), stable_rank(sigma).item(), entropy_rank(sigma).item()] == [1, 1, 1]


@pytest.mark.parametrize(("samples", "delta"), [(0, 0.01), (1, 0.0), (1, 1.0)])
def test_impossible_settings_are_refused(samples: int, delta: float) -> None:
    with pytest.raises(ConfigError):
        rank(samples, delta)


def test_dueling_heads_share_one_penultimate_layer() -> None:
    heads = (Reader(nn.Linear(3, 2)), Reader(nn.Linear(3, 1)))
    layers = [*HandAgent({"": Chain([torch.eye(3), torch.ones(2, 3)])}).hidden_layers()]
    dense = HiddenLayer("dense", nn.Linear(3, 3), nn.ReLU(), lambda *_: None, heads)
    assert penultimate([*layers, dense]) == [dense]
