"""The convolutional network of Mnih et al. (2015), as in Dopamine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn

from redo_lab.networks.dense import Dense
from redo_lab.networks.parts import LayersConfig, check_atari, initialise, norm_of, pixels, widened
from redo_lab.networks.torso import Torso
from redo_lab.neurons.layers import HiddenLayer, Reader


class Padding(Enum):
    """same: as the authors' Flax network, 84→21→11→11; valid: as Mnih et al., 84→20→9→7."""

    same = "same"
    valid = "valid"


class Nature(nn.Module, Torso):
    """conv 32 8×8/4, 64 4×4/2, 64 3×3/1, dense 512, all times `width` (Table 1). Input uint8 [N, C, 84, 84]."""

    @dataclass
    class Config(LayersConfig):
        """`padding`: of all three convolutions."""

        padding: Padding

    def __init__(self, config: Config, *, obs_shape: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.check_obs(obs_shape)
        channels = [widened(n, config.width) for n in (32, 64, 64)]
        self.features = widened(512, config.width)
        same = config.padding is Padding.same
        self.conv1 = nn.Conv2d(obs_shape[0], channels[0], 8, 4, padding=2 if same else 0)
        # SAME for 4×4/2 on 21×21 is 1 before and 2 after, which Conv2d alone can't do.
        self.pad2 = nn.ZeroPad2d((1, 2, 1, 2)) if same else nn.Identity()
        self.conv2 = nn.Conv2d(channels[0], channels[1], 4, 2)
        self.conv3 = nn.Conv2d(channels[1], channels[2], 3, 1, padding=1 if same else 0)
        sizes = (21, 11, 11) if same else (20, 9, 7)
        self.positions = sizes[-1] ** 2
        self.dense = Dense(channels[2] * self.positions, self.features)
        self.act1, self.act2, self.act3, self.act4 = (config.activation.module() for _ in range(4))
        self.norm1, self.norm2, self.norm3 = (
            config.norm.module(maps, size, size) for maps, size in zip(channels, sizes, strict=True)
        )
        self.norm4 = config.norm.module(self.features)
        self.init = config.initialiser.initialiser()
        for layer in (self.conv1, self.conv2, self.conv3, self.dense):
            initialise(layer, self.init, generator)

    @staticmethod
    def check_obs(obs_shape: tuple[int, ...]) -> None:
        """Raises ConfigError unless observations are 84 × 84 images."""
        check_atari("nature", obs_shape)

    def forward(self, obs: Tensor) -> Tensor:
        """Features [N, 512 * width] of observations [N, C, 84, 84]."""
        h = pixels(obs)
        h = self.act1(self.norm1(self.conv1(h)))
        h = self.act2(self.norm2(self.conv2(self.pad2(h))))
        h = self.act3(self.norm3(self.conv3(h)))
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
