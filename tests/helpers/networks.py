"""Small instances of every network, for tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from redo_lab.config import build
from redo_lab.networks.q_network import QNetwork

IMAGES, COLOURS, GRIDS, VECTORS = (4, 84, 84), (3, 32, 32), (4, 10, 10), (6,)
COMMON = {"norm": "none", "activation": "relu", "initialiser": "xavier_uniform", "width": 1.0}
NODES = {
    "nature_same": ({"_target_": "redo_lab.networks.nature.Nature", "padding": "same", **COMMON}, IMAGES),
    "nature_valid": ({"_target_": "redo_lab.networks.nature.Nature", "padding": "valid", **COMMON}, IMAGES),
    "impala": ({"_target_": "redo_lab.networks.impala.Impala", **COMMON}, IMAGES),
    "cifar": ({"_target_": "redo_lab.networks.cifar.CifarNetwork", **COMMON}, COLOURS),
    "minatar": ({"_target_": "redo_lab.networks.minatar.MinAtarNetwork", **COMMON}, GRIDS),
    "mlp": ({"_target_": "redo_lab.networks.mlp.MLP", "hidden": [48, 32], **COMMON}, VECTORS),
}


def torso(name: str, width: float = 0.25, **overrides: object) -> tuple[nn.Module, tuple[int, ...]]:
    """The network `name`, narrow, and the shape of its observations."""
    node, obs_shape = NODES[name]
    node = {**node, "width": width, **overrides}
    return build(node, "network", obs_shape=obs_shape, generator=torch.Generator().manual_seed(1)), obs_shape


def q_network(name: str, dueling: bool, width: float = 0.25, **overrides: object) -> tuple[QNetwork, Tensor]:
    """A value network and a batch of 5 observations for it."""
    network, obs_shape = torso(name, width, **overrides)
    q = QNetwork(network, actions=3, dueling=dueling, generator=torch.Generator().manual_seed(2))  # type: ignore[arg-type]
    return q, observations(obs_shape, 5)


def observations(obs_shape: tuple[int, ...], n: int, seed: int = 3) -> Tensor:
    """Random observations [n, *obs_shape]: bytes for images, normal numbers for vectors."""
    generator = torch.Generator().manual_seed(seed)
    if len(obs_shape) == 1:
        return torch.randn((n, *obs_shape), generator=generator)
    high = 2 if obs_shape == GRIDS else 256
    return torch.randint(0, high, (n, *obs_shape), generator=generator, dtype=torch.uint8)
