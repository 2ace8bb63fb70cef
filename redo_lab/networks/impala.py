"""The residual network of IMPALA (Espeholt et al., 2018), as in the authors' code (labs/redo, ScalableDQNResNet)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from redo_lab.networks.dense import Dense
from redo_lab.networks.parts import Activation, LayersConfig, Norm, check_atari, initialise, norm_of, pixels, widened
from redo_lab.networks.torso import Torso
from redo_lab.neurons.layers import HiddenLayer, Reader


class Block(nn.Module):
    """x + conv2(act(conv1(act(x)))), a norm before each act."""

    def __init__(self, channels: int, size: int, activation: Activation, norm: Norm) -> None:
        super().__init__()
        self.enter, self.act = activation.module(), activation.module()
        self.enter_norm, self.norm = (norm.module(channels, size, size) for _ in range(2))
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, stream: Tensor) -> Tensor:
        """[N, channels, H, W] to the same shape."""
        h: Tensor = self.conv2(self.act(self.norm(self.conv1(self.enter(self.enter_norm(stream))))))
        return stream + h


class Stack(nn.Module):
    """A convolution, a 3×3 max-pool of stride 2 padded SAME, and two residual blocks."""

    def __init__(self, inputs: int, channels: int, size: int, activation: Activation, norm: Norm) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1)
        # SAME is 1 before and 1 after on odd sizes, only 1 after on even ones; ceil_mode lets the last window overhang.
        self.pool = nn.MaxPool2d(3, 2, padding=size % 2, ceil_mode=size % 2 == 0)
        self.block1, self.block2 = (Block(channels, (size + 1) // 2, activation, norm) for _ in range(2))

    def forward(self, obs: Tensor) -> Tensor:
        """[N, inputs, size, size] to [N, channels, ⌈size/2⌉, ⌈size/2⌉]."""
        return self.block2(self.block1(self.pool(self.conv(obs))))  # type: ignore[no-any-return]

    def convolutions(self) -> list[nn.Conv2d]:
        """In the order of the forward pass."""
        return [self.conv, self.block1.conv1, self.block1.conv2, self.block2.conv1, self.block2.conv2]


class Impala(nn.Module, Torso):
    """Stacks of 32, 64, 64 channels and a dense layer of 512, all times `width`. Input uint8 [N, C, 84, 84]."""

    @dataclass
    class Config(LayersConfig):
        """What every network of layers has."""

    def __init__(self, config: Config, *, obs_shape: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.check_obs(obs_shape)
        channels = [obs_shape[0], *(widened(n, config.width) for n in (32, 64, 64))]
        sizes = [84, 42, 21, 11]
        self.stack1, self.stack2, self.stack3 = (
            Stack(channels[i], channels[i + 1], sizes[i], config.activation, config.norm) for i in range(3)
        )
        self.positions = sizes[-1] ** 2
        self.features = widened(512, config.width)
        self.leave, self.act = config.activation.module(), config.activation.module()
        self.leave_norm = config.norm.module(channels[-1], sizes[-1], sizes[-1])
        self.norm = config.norm.module(self.features)
        self.dense = Dense(channels[-1] * self.positions, self.features)
        self.init = config.initialiser.initialiser()
        for conv in (conv for stack in self._stacks() for conv in stack.convolutions()):
            initialise(conv, self.init, generator)
        initialise(self.dense, self.init, generator)

    @staticmethod
    def check_obs(obs_shape: tuple[int, ...]) -> None:
        """Raises ConfigError unless observations are 84 × 84 images."""
        check_atari("impala", obs_shape)

    def forward(self, obs: Tensor) -> Tensor:
        """Features [N, 512 * width] of observations [N, C, 84, 84]."""
        h = self.stack3(self.stack2(self.stack1(pixels(obs))))
        return self.act(self.norm(self.dense(self.leave(self.leave_norm(h)).flatten(1))))  # type: ignore[no-any-return]

    def hidden_layers(self, readers: tuple[Reader, ...]) -> list[HiddenLayer]:
        """Four layers a stack and dense, which `readers` read.

        As in the authors' code, the stream is scored where it enters a block (under the convolution before it) but has
        no readers, since the sums that follow read it too; the output of a whole stack isn't scored. The norms of the
        stream belong to no layer's neurons.
        """
        scored = [layer for i, stack in enumerate(self._stacks()) for layer in self._scored(f"stack{i + 1}", stack)]
        return [*scored, HiddenLayer("dense", self.dense, self.act, self.init, readers, norm_of(self.norm))]

    def _scored(self, name: str, stack: Stack) -> list[HiddenLayer]:
        first, second = stack.block1, stack.block2

        def inner(block: str, of: Block) -> HiddenLayer:
            reader = Reader(of.conv2)
            return HiddenLayer(f"{name}_{block}_conv1", of.conv1, of.act, self.init, (reader,), norm_of(of.norm))

        return [
            HiddenLayer(f"{name}_conv", stack.conv, first.enter, self.init),
            inner("block1", first),
            HiddenLayer(f"{name}_block1_conv2", first.conv2, second.enter, self.init),
            inner("block2", second),
        ]

    def _stacks(self) -> tuple[Stack, Stack, Stack]:
        return self.stack1, self.stack2, self.stack3
