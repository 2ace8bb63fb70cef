"""Weight distributions against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from redo_lab.networks.parts import Weights


@pytest.mark.parametrize("shape", [(64, 200), (32, 16, 3, 3)])
@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("xavier_uniform", lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out))),
        ("kaiming_uniform", lambda fan_in, fan_out: math.sqrt(6 / fan_in)),
        ("lecun_uniform", lambda fan_in, fan_out: math.sqrt(3 / fan_in)),
    ],
)
def test_uniform_weights_fill_their_interval(name: str, bound: object, shape: tuple[int, ...]) -> None:
    weight = torch.empty(shape)
    Weights(name).initialiser()(weight, weight.shape, torch.Generator().manual_seed(0))
    positions = math.prod(shape[2:])
    expected = bound(shape[1] * positions, shape[0] * positions)  # type: ignore[operator]
    assert weight.abs().max() <= expected
    assert weight.abs().max().item() == pytest.approx(expected, rel=0.01)
    assert weight.std().item() == pytest.approx(expected / math.sqrt(3), rel=0.05)


def test_orthogonal_rows_have_norm_sqrt_2() -> None:
    weight = torch.empty(8, 20)
    Weights.orthogonal.initialiser()(weight, weight.shape, torch.Generator().manual_seed(0))
    assert torch.allclose(weight @ weight.T, 2 * torch.eye(8), atol=1e-5)
