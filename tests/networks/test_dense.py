"""The dense layer by oneDNN's product is PyTorch's, up to rounding, and is taken where it pays alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from redo_lab.networks import dense
from redo_lab.networks.dense import Dense

pytestmark = pytest.mark.skipif(not torch._C._has_mkldnn, reason="this torch has no oneDNN")

ROWS, INPUTS, OUTPUTS = 64, 150, 130
"""Neither a power of two nor too small."""


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """On a machine where oneDNN is the faster: the shapes of what it multiplies."""
    shapes: list[tuple[int, ...]] = []
    product = dense.product

    def counted(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
        shapes.append((*left.shape, right.shape[0]))
        return product(left, right, bias)

    monkeypatch.setattr(dense, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(dense, "product", counted)
    return shapes


def layer(*, bias: bool = True) -> Dense:
    torch.manual_seed(0)
    return Dense(INPUTS, OUTPUTS, bias=bias)


@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_pytorch(products: list[tuple[int, ...]], bias: bool) -> None:
    ours = layer(bias=bias)
    theirs = nn.Linear(INPUTS, OUTPUTS, bias=bias, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    # Every second column of a larger tensor, as observations of a replay may be.
    features = torch.randn(ROWS, 2 * INPUTS)[:, ::2].detach().requires_grad_()
    exact = features.detach().double().requires_grad_()
    weights = torch.randn(ROWS, OUTPUTS)
    outputs, expected = ours(features), theirs(exact)
    assert_close(outputs.double(), expected, rtol=1e-5, atol=1e-5)
    (outputs * weights).sum().backward()
    (expected * weights).sum().backward()
    assert_close(features.grad, exact.grad, rtol=1e-5, atol=1e-4, check_dtype=False)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(mine.grad, other.grad, rtol=1e-5, atol=1e-4, check_dtype=False)
    assert products == [(ROWS, INPUTS, OUTPUTS), (ROWS, OUTPUTS, INPUTS), (OUTPUTS, ROWS, INPUTS)]


def test_gradients_that_nobody_wants_are_not_computed(products: list[tuple[int, ...]]) -> None:
    frozen = layer().requires_grad_(False)
    features = torch.randn(ROWS, INPUTS, requires_grad=True)
    frozen(features).sum().backward()
    assert products == [(ROWS, INPUTS, OUTPUTS), (ROWS, OUTPUTS, INPUTS)]
    assert_close(features.grad, frozen.weight.sum(0).expand(ROWS, -1), rtol=1e-5, atol=1e-4)
    products.clear()
    with torch.no_grad():
        assert not layer()(features).requires_grad
    assert products == [(ROWS, INPUTS, OUTPUTS)]


def test_a_second_derivative_is_refused_instead_of_wrong(products: list[tuple[int, ...]]) -> None:
    features = torch.randn(ROWS, INPUTS, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer()(features).square().sum(), features, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def autocast(features: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs: Tensor = layer()(features)
    return outputs


PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "single observations": lambda features: layer()(features[:1]),
    "two leading axes": lambda features: layer()(features[None]),
    "doubles": lambda features: layer().double()(features.double()),
    "autocast": autocast,
}


@pytest.mark.parametrize("case", PLAIN)
def test_all_else_is_left_to_pytorch(products: list[tuple[int, ...]], case: str) -> None:
    outputs = PLAIN[case](torch.randn(ROWS, INPUTS))
    assert outputs.shape[-1] == OUTPUTS
    assert products == []


@pytest.mark.parametrize(
    ("vendor", "capability", "faster"),
    [
        ("AuthenticAMD", "AVX512", True),
        ("AuthenticAMD", "AVX2", False),
        ("GenuineIntel", "AVX512", False),
        (None, "AVX512", False),
    ],
)
def test_it_is_taken_on_processors_for_which_mkl_has_no_avx512(
    monkeypatch: pytest.MonkeyPatch, vendor: str | None, capability: str, faster: bool
) -> None:
    monkeypatch.setattr(dense, "_vendor", lambda: vendor)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert dense.onednn_is_faster.__wrapped__() is faster
