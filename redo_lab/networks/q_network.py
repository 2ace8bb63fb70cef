"""Action values on top of a torso: one linear head, or dueling heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from redo_lab.networks.parts import initialise
from redo_lab.neurons.layers import HiddenLayer, Initialiser, Reader


class Torso(Protocol):
    """A network from observations to features, as the `network` group builds it."""

    features: int
    init: Initialiser

    def __call__(self, obs: Tensor) -> Tensor: ...
    def hidden_layers(self, readers: tuple[Reader, ...]) -> list[HiddenLayer]:
        """The declared layers, the last read by `readers`."""


TorsoBuilder = Callable[..., "Torso"]
"""Called with obs_shape= and generator=."""


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
