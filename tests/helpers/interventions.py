"""Every learner under every intervention, as a loop would run them, small enough to do it for all pairs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from redo_lab.config import build
from redo_lab.neurons.hooks import Hooks
from redo_lab.protocols import Agent
from redo_lab.seeding import Seeds
from redo_lab.types import Box, Counters, Discrete, EnvSpec, Metrics, Sampler, Transition
from tests.helpers.agents import batch_of, node
from tests.helpers.methods import REGULARISERS, WITH_CLASS, part, regulariser
from tests.helpers.networks import NODES

INTERVENTIONS = [
    *((name,) for name in (*WITH_CLASS, *REGULARISERS)),
    ("redo", "l2_init", "weight_decay"),
    ("prune", "l2_init"),
    ("reset_all", "continual_backprop", "weight_decay"),
]
FULL = {"double": True, "dueling": True}
LEARNERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "dqn minatar": ("dqn", "minatar", {}),
    "dqn minatar full": ("dqn", "minatar", {**FULL, "augmentation": "drq"}),
    "dqn mlp full": ("dqn", "mlp", FULL),
    "sac mlp": ("sac", "mlp", {}),
    "dqn nature full": ("dqn", "nature_same", {**FULL, "augmentation": "drq"}),
    "dqn impala full": ("dqn", "impala", FULL),
}
"""Name → agent, network, settings."""
IMAGES = {"dqn nature full", "dqn impala full"}
EVERY = [(learner, norm) for learner in LEARNERS for norm in ("none", "layer")]
SMALL = [(learner, norm) for learner, norm in EVERY if learner not in IMAGES]


def ids(value: object) -> str:
    """A pair or a list of names as pytest shows it."""
    return "+".join(value) if isinstance(value, tuple) else str(value)


def spec_of(learner: str) -> EnvSpec:
    agent, network, _ = LEARNERS[learner]
    actions = Box((-1.0, -2.0), (1.0, 0.5)) if agent == "sac" else Discrete(3)
    if network == "mlp":
        return EnvSpec((6,), 1, np.float32, actions, frame_skip=1)
    return EnvSpec(((1, *NODES[network][1][1:])), 4, np.uint8, actions, frame_skip=1)


def built(learner: str, norm: str, seed: int = 0, device: str = "cpu", **changes: object) -> Any:
    agent, network, settings = LEARNERS[learner]
    width = {"mlp": 0.25, "minatar": 0.25}.get(network, 0.05)
    torso = partial(build, NODES[network][0] | {"width": width, "norm": norm}, "network")
    return build(
        node(agent) | settings | changes,
        "agent",
        spec=spec_of(learner),
        torso=torso,
        seeds=Seeds(seed),
        device=torch.device(device),
    )


class Trial:
    """An agent that is updated, with interventions that act within and after each update."""

    def __init__(
        self,
        learner: str,
        norm: str,
        interventions: tuple[str, ...] = (),
        seed: int = 0,
        device: str = "cpu",
        **changes: object,
    ) -> None:
        """changes: of the agent's settings."""
        self.spec = spec_of(learner)
        self.device = device
        self.agent: Any = built(learner, norm, seed, device, **changes)
        self.draws = [torch.Generator().manual_seed(40 + i) for i, _ in enumerate(interventions)]
        parts = [regulariser(n, self.agent) if n in REGULARISERS else part(n, device) for n in interventions]
        self.parts = [(one, self._sampler(draw)) for one, draw in zip(parts, self.draws, strict=True)]
        self.hooks = Hooks(self.parts)
        self.updates = 0

    def _sampler(self, draws: torch.Generator) -> Sampler:
        return lambda n: self._batch(n, int(torch.randint(1000, (1,), generator=draws)))

    def _batch(self, size: int, seed: int) -> Transition:
        return Transition(*[tensor.to(self.device) for tensor in batch_of(self.spec, size, seed)])

    def update(self) -> Metrics:
        self.updates += 1
        metrics: Metrics = self.agent.update(self.batch(), self.hooks)
        return metrics

    def batch(self) -> Transition:
        """That of the current update."""
        return self._batch(8, self.updates)

    def intervene(self) -> Metrics:
        found: Metrics = {}
        for one, sample in self.parts:
            if hasattr(one, "after_update"):
                found |= one.after_update(self.agent, Counters(self.updates, self.updates), sample)
        return found

    def run(self, updates: int) -> list[dict[str, float]]:
        """The metrics of each update and of what follows it."""
        rows = []
        for _ in range(updates):
            metrics = {**self.update(), **self.intervene()}
            rows.append({name: value.item() for name, value in metrics.items()})
        return rows

    def state_dict(self) -> dict[str, Any]:
        draws = [generator.get_state() for generator in self.draws]
        parts = [one.state_dict() for one, _ in self.parts]
        return {"agent": self.agent.state_dict(), "parts": parts, "draws": draws, "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.agent.load_state_dict(state["agent"])
        for (one, _), saved in zip(self.parts, state["parts"], strict=True):
            one.load_state_dict(saved)
        for generator, saved in zip(self.draws, state["draws"], strict=True):
            generator.set_state(saved)
        self.updates = state["updates"]


def parameters(agent: Agent) -> list[torch.nn.Parameter]:
    """Of all online networks."""
    return [parameter for network in agent.networks() for parameter in network.online.parameters()]


def targets(agent: Agent) -> list[torch.Tensor]:
    """A copy of all target networks' parameters."""
    return [p.clone() for network in agent.networks() if network.target for p in network.target.parameters()]
