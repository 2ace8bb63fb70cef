"""The learner of distillation: a network of action values, fitted to given ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from redo_lab.config import require
from redo_lab.networks.adam import AdamConfig
from redo_lab.networks.q_network import QNetwork
from redo_lab.neurons.hooks import NO_HOOKS, Hooks
from redo_lab.neurons.layers import HiddenLayer, Network
from redo_lab.protocols import Trained
from redo_lab.types import Metrics


class Regression(NamedTuple):
    """A batch on the device: observations as agents read them, and the values to fit, float32 [N, actions]."""

    obs: Tensor
    target: Tensor


class Regressor(Trained):
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
        self.batch_size = config.batch_size
        self.online = network
        self._network = Network(tuple(network.hidden_layers()), network, network.torso.init)
        self.optimizer = config.optimizer.over(network.parameters(), config.learning_rate)

    def update(self, batch: Regression, hooks: Hooks = NO_HOOKS) -> Metrics:
        """One step of Adam on the loss of `batch`."""
        with hooks.watching(self.networks()):
            values: Tensor = self.online(batch.obs)
        loss = functional.mse_loss(values, batch.target)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(hooks.loss(loss, self.networks(), batch))
        hooks.before_step(self.networks())
        self.optimizer.step()
        return {"train/loss": loss.detach()}

    def forward(self, batch: Regression) -> Tensor:
        """The values of the batch's observations."""
        values: Tensor = self.online(batch.obs)
        return values

    def hidden_layers(self) -> Sequence[HiddenLayer]:
        """Those of the network."""
        return self._network.hidden

    def networks(self) -> list[Network]:
        """The one network; it has no target."""
        return [self._network]

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one of the network."""
        return [self.optimizer]

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes while training."""
        return {"online": self.online.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.online.load_state_dict(state["online"])
        self.optimizer.load_state_dict(state["optimizer"])
