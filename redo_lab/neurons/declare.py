"""The hidden layers of a plain chain of layers, declared from the modules themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from redo_lab.neurons.layers import HiddenLayer, Initialiser, Reader

ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Tanh, nn.Hardtanh, nn.Sigmoid, nn.Hardsigmoid, nn.Hardswish),
)
"""Activations that work on each number alone."""

PASSING = (nn.Flatten, nn.Identity, nn.Dropout, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
"""Modules that neither mix neurons nor have weights."""


def torch_default(rows: Tensor, shape: torch.Size, generator: torch.Generator | None) -> None:
    """PyTorch's own initial distribution of Linear and Conv2d weights: U(-b, b) with b = 1 / √fan_in."""
    bound = 1 / math.sqrt(shape[1] * math.prod(shape[2:]))
    nn.init.uniform_(rows, -bound, bound, generator=generator)


def declare(model: nn.Module, init: Initialiser = torch_default) -> list[HiddenLayer]:
    """The hidden layers of `model`, an nn.Sequential (nested ones too) of Linear, Conv2d and activation modules.

    The last Linear or Conv2d is the output layer. Between a layer and the next may stand one activation and modules
    that neither mix neurons nor have weights (Flatten, pooling, Dropout). ValueError names what doesn't fit: such a
    network declares its layers by hand, as `HiddenLayer(name, layer, activation, init, readers)`. `init` is the
    initialiser that recycled weights are drawn with.
    """
    layers: list[tuple[str, nn.Linear | nn.Conv2d]] = []
    activations: dict[int, nn.Module] = {}
    for name, module in _chain(model, ""):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            layers.append((name, module))
        elif isinstance(module, ELEMENTWISE):
            if not layers or len(layers) - 1 in activations or module in activations.values():
                raise ValueError(f"{name}: each layer is followed by one activation, a module of its own")
            activations[len(layers) - 1] = module
        elif not isinstance(module, PASSING):
            raise ValueError(f"{name} is a {type(module).__name__}: declare the layers of this network by hand")
    if len(layers) < 2:
        raise ValueError("a network with a hidden layer has at least two layers with weights")
    return [_declared(layers, activations, index, init) for index in range(len(layers) - 1)]


def _chain(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        # Not named_children(), which passes over a module that occurs twice.
        for name, child in module._modules.items():
            assert child is not None
            yield from _chain(child, f"{path}.{name}" if path else name)
    elif path:
        yield path, module
    else:
        raise ValueError(f"only an nn.Sequential says in which order its modules follow, not {type(module).__name__}")


def _declared(
    layers: list[tuple[str, nn.Linear | nn.Conv2d]], activations: dict[int, nn.Module], index: int, init: Initialiser
) -> HiddenLayer:
    name, layer = layers[index]
    reader_name, reader = layers[index + 1]
    if index not in activations:
        raise ValueError(f"{name} is followed by no activation, so its neurons can't be scored")
    neurons, inputs = layer.weight.shape[0], reader.weight.shape[1]
    if isinstance(reader, nn.Conv2d) and (reader.groups != 1 or isinstance(layer, nn.Linear)):
        raise ValueError(f"{reader_name}: a grouped convolution, or one after a dense layer, is declared by hand")
    if inputs % neurons:
        raise ValueError(f"{reader_name} reads {inputs} columns, which is no multiple of the {neurons} of {name}")
    return HiddenLayer(name, layer, activations[index], init, (Reader(reader, span=inputs // neurons),))
