"""A network with one output, trained on the squared error: what probes and interventions work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from redo_lab.networks.parts import initialise
from redo_lab.networks.torso import TorsoBuilder
from redo_lab.neurons.hooks import Hooks
from redo_lab.neurons.layers import HiddenLayer, Network, Reader
from redo_lab.protocols import Learner


class Pairs(NamedTuple):
    """A batch: inputs, float32 [N, D], under the name that networks expect, and their targets [N, 1]."""

    obs: Tensor
    targets: Tensor


class Regressor(Learner):
    """The network that `torso` builds with a linear output, and Adam."""

    def __init__(
        self,
        torso: TorsoBuilder,
        *,
        inputs: int,
        learning_rate: float,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        features = torso(obs_shape=(inputs,), generator=generator)
        head = nn.Linear(features.features, 1)
        initialise(head, features.init, generator)
        self.model = nn.Sequential(features, head).to(device)
        self.network = Network(tuple(features.hidden_layers((Reader(head),))), self.model, features.init)
        self.optimizer = torch.optim.Adam(self.model.parameters(), learning_rate)

    def update(self, batch: Pairs, hooks: Hooks) -> Tensor:
        """The loss of one step; `hooks` are the three places where interventions take part."""
        with hooks.watching(self.networks()):
            outputs = self.forward(batch)
        loss = (outputs - batch.targets).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        hooks.loss(loss, self.networks(), batch).backward()
        hooks.before_step(self.networks())
        self.optimizer.step()
        return loss.detach()

    def forward(self, batch: Pairs) -> Tensor:
        """The outputs, [N, 1]."""
        outputs: Tensor = self.model(batch.obs)
        return outputs

    def hidden_layers(self) -> Sequence[HiddenLayer]:
        """Those of the one network."""
        return self.network.hidden

    def networks(self) -> list[Network]:
        """The one network; it has no target."""
        return [self.network]

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one."""
        return [self.optimizer]

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes while training."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
