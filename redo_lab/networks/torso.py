"""What agents put their heads on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from redo_lab.neurons.layers import HiddenLayer, Initialiser, Reader


class Torso(Protocol):
    """A network from observations to features, as the `network` group builds it; an nn.Module."""

    features: int
    init: Initialiser

    @staticmethod
    @abstractmethod
    def check_obs(obs_shape: tuple[int, ...]) -> None:
        """Raises ConfigError unless it can read observations of this shape."""

    @abstractmethod
    def __call__(self, obs: Tensor) -> Tensor: ...

    @abstractmethod
    def hidden_layers(self, readers: tuple[Reader, ...]) -> list[HiddenLayer]:
        """The declared layers, the last read by `readers`."""


TorsoBuilder = Callable[..., Torso]
"""Called with obs_shape= and generator=."""
