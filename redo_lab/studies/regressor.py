"""The learner of distillation: a network of action values, fitted to given ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from redo_lab.config import require
from redo_lab.networks.adam import AdamConfig
from redo_lab.networks.q_network import QNetwork
from redo_lab.neurons.layers import Network
from redo_lab.studies.single import SingleNetwork


class Regression(NamedTuple):
    """A batch on the device: observations as agents read them, and the values to fit, float32 [N, actions]."""

    obs: Tensor
    target: Tensor


class Regressor(SingleNetwork):
    """The mean squared error over a batch and all actions, minimised by Adam from fresh moments (Fig. 8)."""

    @dataclass
    class Config:
        """Numbers in conf/study/distill.yaml. `batch_size` observations an update."""

        learning_rate: float
        batch_size: int
        optimizer: AdamConfig

        def __post_init__(self) -> None:
            require(self.learning_rate > 0, f"learning_rate must be > 0, got {self.learning_rate}")
            require(self.batch_size >= 1, f"batch_size must be ≥ 1, got {self.batch_size}")

    def __init__(self, config: Config, *, network: QNetwork) -> None:
        """`network` is trained as it is, on its own device."""
        self.config = config
        declared = Network(tuple(network.hidden_layers()), network, network.torso.init)
        super().__init__(declared, config.optimizer.over(network.parameters(), config.learning_rate))

    def loss(self, outputs: Tensor, batch: Regression) -> Tensor:
        """The mean squared error of values [N, actions]."""
        return functional.mse_loss(outputs, batch.target)
