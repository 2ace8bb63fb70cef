"""Every shipped agent, tiny, from its own YAML, and synthetic batches for it."""

from __future__ import annotations

import io
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from redo_lab.config import build
from redo_lab.seeding import Seeds
from redo_lab.types import Box, Discrete, EnvSpec, Transition
from tests.helpers.composing import composed
from tests.helpers.networks import NODES, observations

AGENTS = ("dqn", "dqn_nstep3", "drq_eps", "sac", "sac_upstream")
CPU = torch.device("cpu")
GRID_SPEC = EnvSpec((1, 10, 10), 4, np.uint8, Discrete(3), frame_skip=1)
VECTOR_SPEC = EnvSpec((6,), 1, np.float32, Box((-1.0, -2.0), (1.0, 0.5)), frame_skip=1)


@cache
def node(name: str) -> dict[str, Any]:
    """The `agent` node of `agent=<name>` at the paper's scale."""
    found = composed(f"agent={name}")[0]["agent"]
    assert isinstance(found, dict)
    return found


def spec_of(name: str) -> EnvSpec:
    """The environment that the tiny agent is built for."""
    return VECTOR_SPEC if name.startswith("sac") else GRID_SPEC


def tiny(name: str, seed: int = 0, device: torch.device = CPU, **overrides: object) -> Any:
    """The agent `name` on a narrow network on `device`, with some of its settings replaced."""
    network = NODES["mlp" if name.startswith("sac") else "minatar"][0] | {"width": 0.5}
    return build(
        node(name) | overrides,
        "agent",
        spec=spec_of(name),
        torso=partial(build, network, "network"),
        seeds=Seeds(seed),
        device=device,
    )


def batches(name: str, count: int, size: int = 8) -> list[Transition]:
    """`count` synthetic batches, always the same; the last transition of each is terminal."""
    return [batch_of(spec_of(name), size, seed) for seed in range(count)]


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """`state` saved and loaded, so that nothing is shared with the agent it is of."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert isinstance(loaded, dict)
    return loaded


def batch_of(spec: EnvSpec, size: int, seed: int) -> Transition:
    generator = torch.Generator().manual_seed(seed)
    discount = torch.full((size,), 0.99)
    discount[-1] = 0
    if isinstance(spec.actions, Discrete):
        action = torch.randint(spec.actions.n, (size,), generator=generator)
    else:
        low, high = torch.tensor(spec.actions.low), torch.tensor(spec.actions.high)
        action = low + (high - low) * torch.rand((size, len(low)), generator=generator)
    obs, next_obs = observations(spec.obs_shape, 2 * size, seed=seed + 1000).chunk(2)
    return Transition(obs, action, torch.randn(size, generator=generator), discount, next_obs)
