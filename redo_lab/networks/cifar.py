"""The network of the paper's supervised study (Table 5, Sokar et al., 2023)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from redo_lab.config import require
from redo_lab.networks.dense import Dense
from redo_lab.networks.parts import LayersConfig, check_rank, initialise, norm_of, pixels, widened
from redo_lab.networks.torso import Torso
from redo_lab.neurons.layers import HiddenLayer, Reader


class CifarNetwork(nn.Module, Torso):
    """conv 32 3×3/1, conv 64, pool 2×2, conv 64, pool 2×2, dense 128, all times `width`. Input uint8 [N, C, H, W].

    Convolutions keep the size of their input (padding 1), as Flax's do by default; the paper doesn't say.
    """

    @dataclass
    class Config(LayersConfig):
        """What every network of layers has."""

    def __init__(self, config: Config, *, obs_shape: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.check_obs(obs_shape)
        maps = [widened(n, config.width) for n in (32, 64, 64)]
        self.features = widened(128, config.width)
        height, width = obs_shape[1:]
        self.positions = (height // 4) * (width // 4)
        self.conv1 = nn.Conv2d(obs_shape[0], maps[0], 3, padding=1)
        self.conv2 = nn.Conv2d(maps[0], maps[1], 3, padding=1)
        self.conv3 = nn.Conv2d(maps[1], maps[2], 3, padding=1)
        self.dense = Dense(maps[2] * self.positions, self.features)
        self.pool = nn.MaxPool2d(2, 2)
        self.act1, self.act2, self.act3, self.act4 = (config.activation.module() for _ in range(4))
        self.norm1 = config.norm.module(maps[0], height, width)
        self.norm2 = config.norm.module(maps[1], height, width)
        self.norm3 = config.norm.module(maps[2], height // 2, width // 2)
        self.norm4 = config.norm.module(self.features)
        self.init = config.initialiser.initialiser()
        for layer in (self.conv1, self.conv2, self.conv3, self.dense):
            initialise(layer, self.init, generator)

    @staticmethod
    def check_obs(obs_shape: tuple[int, ...]) -> None:
        """Raises ConfigError unless observations are images of at least 4 × 4 pixels."""
        check_rank("cifar", obs_shape, 3)
        require(min(obs_shape[1:]) >= 4, f"network: cifar reads images of at least 4 × 4 pixels, got {list(obs_shape)}")

    def forward(self, obs: Tensor) -> Tensor:
        """Features [N, 128 * width] of images [N, C, H, W]."""
        h = self.act1(self.norm1(self.conv1(pixels(obs))))
        h = self.pool(self.act2(self.norm2(self.conv2(h))))
        h = self.pool(self.act3(self.norm3(self.conv3(h))))
        return self.act4(self.norm4(self.dense(h.flatten(1))))  # type: ignore[no-any-return]

    def hidden_layers(self, readers: tuple[Reader, ...]) -> list[HiddenLayer]:
        """conv1, conv2, conv3, dense; `readers` read the last."""
        norms = [norm_of(norm) for norm in (self.norm1, self.norm2, self.norm3, self.norm4)]
        flattened = (Reader(self.dense, span=self.positions),)
        return [
            HiddenLayer("conv1", self.conv1, self.act1, self.init, (Reader(self.conv2),), norms[0]),
            HiddenLayer("conv2", self.conv2, self.act2, self.init, (Reader(self.conv3),), norms[1]),
            HiddenLayer("conv3", self.conv3, self.act3, self.init, flattened, norms[2]),
            HiddenLayer("dense", self.dense, self.act4, self.init, readers, norms[3]),
        ]
