"""What agents put their heads on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from redo_lab.config import ConfigError, Part, target_of
from redo_lab.neurons.layers import HiddenLayer, Initialiser, Reader
from redo_lab.options import files, node_of


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


def check_reads(network: Part[Torso], obs_shape: tuple[int, ...]) -> None:
    """ConfigError, naming the networks that can, unless `network` reads observations of this shape."""
    try:
        network.cls.check_obs(obs_shape)
    except ConfigError as error:
        others = " or ".join(f"network={name}" for name in files("network") if _reads(name, obs_shape))
        raise ConfigError(f"{error}" + (f"; {others} reads these" if others else "")) from error


def _reads(name: str, obs_shape: tuple[int, ...]) -> bool:
    try:
        target_of(node_of("network", name), f"network={name}").check_obs(obs_shape)
    except ConfigError:
        return False
    return True
