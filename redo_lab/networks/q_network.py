"""Action values on top of a torso: one linear head, or dueling heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from redo_lab.networks.parts import initialise
from redo_lab.networks.torso import Torso
from redo_lab.neurons.layers import HiddenLayer, Reader


class QNetwork(nn.Module):
    """Q [N, actions]. Dueling (Wang et al., 2016): Q = V + A - mean A, both heads linear on the shared features."""

    def __init__(self, torso: Torso, *, actions: int, dueling: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.torso = torso
        self.head = nn.Linear(torso.features, actions)
        self.value = nn.Linear(torso.features, 1) if dueling else None
        for layer in self._heads():
            initialise(layer, torso.init, generator)

    def forward(self, obs: Tensor) -> Tensor:
        """Action values [N, actions]."""
        features = self.torso(obs)
        q: Tensor = self.head(features)
        if self.value is None:
            return q
        return dueling_values(self.value(features), q)

    def hidden_layers(self) -> list[HiddenLayer]:
        """Those of the torso; every head reads the last."""
        return self.torso.hidden_layers(tuple(Reader(layer) for layer in self._heads()))

    def _heads(self) -> list[nn.Linear]:
        return [self.head] if self.value is None else [self.head, self.value]


def dueling_values(value: Tensor, advantage: Tensor) -> Tensor:
    """V [N, 1] and A [N, actions] to Q [N, actions]: V + A - mean A (Eq. 9, Wang et al., 2016)."""
    return value + advantage - advantage.mean(dim=1, keepdim=True)
