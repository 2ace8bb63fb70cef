"""A network with one hidden layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from redo_lab.networks.parts import Weights, check_rank, initialise
from redo_lab.networks.torso import Torso
from redo_lab.neurons.layers import HiddenLayer, Reader


class Shallow(nn.Module, Torso):
    """`features` tanh neurons that read a vector [N, D]."""

    @dataclass
    class Config:
        """`initialiser`: of the weights, also when they are drawn again."""

        features: int
        initialiser: Weights

    def __init__(self, config: Config, *, obs_shape: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.features = config.features
        self.dense, self.act = nn.Linear(obs_shape[0], config.features), nn.Tanh()
        self.init = config.initialiser.initialiser()
        initialise(self.dense, self.init, generator)

    @staticmethod
    def check_obs(obs_shape: tuple[int, ...]) -> None:
        """Raises ConfigError unless observations are vectors."""
        check_rank("shallow", obs_shape, 1)

    def forward(self, obs: Tensor) -> Tensor:
        """Features [N, features]."""
        hidden: Tensor = self.act(self.dense(obs))
        return hidden

    def hidden_layers(self, readers: tuple[Reader, ...]) -> list[HiddenLayer]:
        """The one layer: what recycles, measures or resets neurons works on this declaration."""
        return [HiddenLayer("dense", self.dense, self.act, self.init, readers)]
