"""L2-init: the loss pulls every parameter towards its initial value (Kumar et al., 2023, arXiv 2308.11958)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from redo_lab.config import require
from redo_lab.neurons.layers import Network
from redo_lab.protocols import Learner, Regulariser
from redo_lab.types import Batch, Sampler


class L2Init(Regulariser):
    """The loss has `coefficient` * ‖θ - θ0‖² added, over all trainable parameters θ of the networks that it trains.

    θ0 are the parameters at construction, before the first update. Recycling a neuron leaves its θ0 as it was: the
    pull is towards the weights that the network began with.
    """

    capturable: ClassVar[bool] = True  # the same operations on the same tensors at each update

    @dataclass
    class Config:
        """`coefficient`: λ of the paper, on the loss as the agent writes it."""

        coefficient: float

        def __post_init__(self) -> None:
            require(self.coefficient > 0, f"coefficient must be > 0, got {self.coefficient}")

    def __init__(self, config: Config, *, name: str, learner: Learner, generator: torch.Generator) -> None:
        self.config = config
        self.name = name
        everything = [parameter for network in learner.networks() for parameter in network.online.parameters()]
        self.initial = {parameter: parameter.detach().clone() for parameter in everything if parameter.requires_grad}

    def loss(self, network: Network, batch: Batch, sample: Sampler) -> Tensor:
        """λ * the sum of squared distances of the parameters of `network` from their initial values."""
        trained = [parameter for parameter in network.online.parameters() if parameter.requires_grad]
        distances = [(parameter - self.initial[parameter]).square().sum() for parameter in trained]
        return self.config.coefficient * torch.stack(distances).sum()

    def state_dict(self) -> dict[str, Any]:
        """The initial values, in the order of the learner's networks and their parameters."""
        return {"initial": [value.clone() for value in self.initial.values()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        for value, saved in zip(self.initial.values(), state["initial"], strict=True):
            value.copy_(saved)
