"""What learners of one network and one optimizer share: supervised studies and distillation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from redo_lab.neurons.hooks import NO_HOOKS, Hooks
from redo_lab.neurons.layers import HiddenLayer, Network
from redo_lab.protocols import Trained
from redo_lab.types import Batch, Metrics


class SingleNetwork(Trained):
    """A network without a target, trained by `optimizer` on `loss`; its declaration is the `network`'s online part."""

    def __init__(self, network: Network, optimizer: torch.optim.Optimizer) -> None:
        self._network = network
        self.online: nn.Module = network.online
        self.optimizer = optimizer

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """What an update minimises, 0-d, given the network's outputs [N, …] for the batch."""

    def update(self, batch: Batch, hooks: Hooks = NO_HOOKS) -> Metrics:
        """One step of the optimizer on the loss of `batch`."""
        with hooks.watching(self.networks()):
            outputs: Tensor = self.online(batch.obs)
        loss = self.loss(outputs, batch)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(hooks.loss(loss, self.networks(), batch))
        hooks.before_step(self.networks())
        self.optimizer.step()
        return {"train/loss": loss.detach()}

    def forward(self, batch: Batch) -> Tensor:
        """The network's outputs for the batch's observations."""
        outputs: Tensor = self.online(batch.obs)
        return outputs

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
