"""The network of MinAtar (Young & Tian, 2019): one convolution and one dense layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from redo_lab.config import require
from redo_lab.networks.dense import Dense
from redo_lab.networks.parts import LayersConfig, check_rank, initialise, norm_of, widened
from redo_lab.networks.torso import Torso
from redo_lab.neurons.layers import HiddenLayer, Reader

LARGEST = 32
"""Pixels of a side: the dense layer reads every position of the convolution, which strides over none."""


class MinAtarNetwork(nn.Module, Torso):
    """conv 16 3×3/1, dense 128, all times `width`. Input uint8 {0, 1} [N, C, 10, 10]."""

    @dataclass
    class Config(LayersConfig):
        """What every network of layers has."""

    def __init__(self, config: Config, *, obs_shape: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.check_obs(obs_shape)
        channels, self.features = widened(16, config.width), widened(128, config.width)
        height, width = obs_shape[1] - 2, obs_shape[2] - 2
        self.positions = height * width
        self.conv = nn.Conv2d(obs_shape[0], channels, 3)
        self.dense = Dense(channels * self.positions, self.features)
        self.act1, self.act2 = config.activation.module(), config.activation.module()
        self.norm1, self.norm2 = config.norm.module(channels, height, width), config.norm.module(self.features)
        self.init = config.initialiser.initialiser()
        for layer in (self.conv, self.dense):
            initialise(layer, self.init, generator)

    @staticmethod
    def check_obs(obs_shape: tuple[int, ...]) -> None:
        """Raises ConfigError unless observations are small images."""
        check_rank("minatar", obs_shape, 3)
        require(
            min(obs_shape[1:]) >= 3 and max(obs_shape[1:]) <= LARGEST,
            f"network: minatar reads images of 3 × 3 to {LARGEST} × {LARGEST} pixels, but observations are "
            f"{list(obs_shape)}",
        )

    def forward(self, obs: Tensor) -> Tensor:
        """Features [N, 128 * width] of observations [N, C, 10, 10]."""
        h = self.act1(self.norm1(self.conv(obs.to(torch.float32))))
        return self.act2(self.norm2(self.dense(h.flatten(1))))  # type: ignore[no-any-return]

    def hidden_layers(self, readers: tuple[Reader, ...]) -> list[HiddenLayer]:
        """conv, dense; `readers` read the last."""
        flattened = (Reader(self.dense, span=self.positions),)
        return [
            HiddenLayer("conv", self.conv, self.act1, self.init, flattened, norm_of(self.norm1)),
            HiddenLayer("dense", self.dense, self.act2, self.init, readers, norm_of(self.norm2)),
        ]
