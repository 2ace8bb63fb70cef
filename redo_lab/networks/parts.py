"""The parts of every network: activations, norms, initialisers and widths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn

from redo_lab.config import require
from redo_lab.neurons.layers import Initialiser


class Activation(Enum):
    """Names of activations a network takes."""

    relu = "relu"
    leaky_relu = "leaky_relu"
    elu = "elu"
    gelu = "gelu"
    silu = "silu"
    tanh = "tanh"

    def module(self) -> nn.Module:
        """A fresh module: each hidden layer owns its own. Leaky ReLU has slope 0.01 (appendix C.1)."""
        modules: dict[Activation, type[nn.Module]] = {
            Activation.relu: nn.ReLU,
            Activation.leaky_relu: nn.LeakyReLU,
            Activation.elu: nn.ELU,
            Activation.gelu: nn.GELU,
            Activation.silu: nn.SiLU,
            Activation.tanh: nn.Tanh,
        }
        return modules[self]()


class Weights(Enum):
    """Names of weight distributions; biases start at 0 with all of them."""

    xavier_uniform = "xavier_uniform"
    kaiming_uniform = "kaiming_uniform"
    lecun_uniform = "lecun_uniform"
    orthogonal = "orthogonal"

    def initialiser(self) -> Initialiser:
        """Fills rows of a weight [out, in, …] in place."""
        return _INITIALISERS[self]


def _uniform(rows: Tensor, bound: float, generator: torch.Generator | None) -> None:
    nn.init.uniform_(rows, -bound, bound, generator=generator)


def _fans(shape: torch.Size) -> tuple[int, int]:
    positions = math.prod(shape[2:])
    return shape[1] * positions, shape[0] * positions


def _xavier_uniform(rows: Tensor, shape: torch.Size, generator: torch.Generator | None) -> None:
    _uniform(rows, math.sqrt(6 / sum(_fans(shape))), generator)


def _kaiming_uniform(rows: Tensor, shape: torch.Size, generator: torch.Generator | None) -> None:
    _uniform(rows, math.sqrt(6 / _fans(shape)[0]), generator)


def _lecun_uniform(rows: Tensor, shape: torch.Size, generator: torch.Generator | None) -> None:
    _uniform(rows, math.sqrt(3 / _fans(shape)[0]), generator)


def _orthogonal(rows: Tensor, shape: torch.Size, generator: torch.Generator | None) -> None:
    nn.init.orthogonal_(rows, gain=math.sqrt(2), generator=generator)


_INITIALISERS: dict[Weights, Initialiser] = {
    Weights.xavier_uniform: _xavier_uniform,
    Weights.kaiming_uniform: _kaiming_uniform,
    Weights.lecun_uniform: _lecun_uniform,
    Weights.orthogonal: _orthogonal,
}


class Norm(Enum):
    """What lies between a layer and its nonlinearity: nothing, or LayerNorm with a gain and an offset."""

    none = "none"
    layer = "layer"

    def module(self, *shape: int) -> nn.Module:
        """A fresh module for outputs of `shape` without the batch: all maps and positions of a convolution together."""
        return nn.Identity() if self is Norm.none else nn.LayerNorm(shape)


def norm_of(module: nn.Module) -> nn.LayerNorm | None:
    """What a hidden layer declares of it."""
    return module if isinstance(module, nn.LayerNorm) else None


@dataclass
class LayersConfig:
    """What every network of layers has: `width` multiplies every layer; `norm` comes before every nonlinearity."""

    width: float
    norm: Norm
    activation: Activation
    initialiser: Weights

    def __post_init__(self) -> None:
        require(0 < self.width < math.inf, f"width must be > 0, got {self.width}")


def widened(units: int, width: float) -> int:
    """`units` times `width`, rounded up as in the authors' code."""
    return math.ceil(units * width)


def check_rank(network: str, obs_shape: tuple[int, ...], rank: int) -> None:
    """Raises ConfigError unless observations have `rank` axes (1: vectors, 3: channels × height × width)."""
    reads = {1: "vectors [D]", 3: "images [C, H, W]"}[rank]
    require(len(obs_shape) == rank, f"network: {network} reads {reads}, but observations are {list(obs_shape)}")


def check_atari(network: str, obs_shape: tuple[int, ...]) -> None:
    """Raises ConfigError unless observations are 84 × 84 images."""
    check_rank(network, obs_shape, 3)
    require(obs_shape[1:] == (84, 84), f"network: {network} reads 84 × 84 images, but observations are {obs_shape}")


@torch.no_grad()
def initialise(layer: nn.Linear | nn.Conv2d, init: Initialiser, generator: torch.Generator) -> None:
    """The layer's weight is drawn by `init`, its bias is 0."""
    init(layer.weight, layer.weight.shape, generator)
    if layer.bias is not None:
        layer.bias.zero_()


def pixels(obs: Tensor) -> Tensor:
    """Bytes, or augmented bytes as float32, [N, C, H, W] as float32 scaled by 1/255, channels last in memory.

    The one conversion from bytes; the argument isn't changed.
    """
    # In this order: bytes are slow to bring into another order, and slow to multiply.
    return obs.to(torch.float32, copy=True).mul_(1 / 255).contiguous(memory_format=torch.channels_last)
