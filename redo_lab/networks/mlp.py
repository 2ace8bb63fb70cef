"""A multi-layer perceptron for vectors of features."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from redo_lab.config import require
from redo_lab.networks.dense import Dense
from redo_lab.networks.parts import LayersConfig, check_rank, initialise, norm_of, widened
from redo_lab.networks.torso import Torso
from redo_lab.neurons.layers import HiddenLayer, Reader


class MLP(nn.Module, Torso):
    """Dense layers of the given `hidden` sizes, all times `width`. Input float32 [N, D]."""

    @dataclass
    class Config(LayersConfig):
        """`hidden`: the sizes of the layers."""

        hidden: list[int]

        def __post_init__(self) -> None:
            super().__post_init__()
            require(len(self.hidden) >= 1, "hidden must name at least one layer")
            require(min(self.hidden) >= 1, f"hidden sizes must be ≥ 1, got {self.hidden}")

    def __init__(self, config: Config, *, obs_shape: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.check_obs(obs_shape)
        sizes = [obs_shape[0], *(widened(n, config.width) for n in config.hidden)]
        self.features = sizes[-1]
        self.dense = nn.ModuleList(Dense(i, o) for i, o in pairwise(sizes))
        self.norm = nn.ModuleList(config.norm.module(n) for n in sizes[1:])
        self.act = nn.ModuleList(config.activation.module() for _ in config.hidden)
        self.init = config.initialiser.initialiser()
        for layer in self._linears():
            initialise(layer, self.init, generator)

    @staticmethod
    def check_obs(obs_shape: tuple[int, ...]) -> None:
        """Raises ConfigError unless observations are vectors."""
        check_rank("mlp", obs_shape, 1)

    def forward(self, obs: Tensor) -> Tensor:
        """Features [N, hidden[-1] * width] of vectors [N, D]."""
        h = obs
        for dense, norm, act in zip(self.dense, self.norm, self.act, strict=True):
            h = act(norm(dense(h)))
        return h

    def hidden_layers(self, readers: tuple[Reader, ...]) -> list[HiddenLayer]:
        """dense1, dense2, …; `readers` read the last."""
        linears = self._linears()
        following = [*((Reader(layer),) for layer in linears[1:]), readers]
        return [
            HiddenLayer(f"dense{i + 1}", layer, self.act[i], self.init, following[i], norm_of(self.norm[i]))
            for i, layer in enumerate(linears)
        ]

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.dense if isinstance(layer, nn.Linear)]
