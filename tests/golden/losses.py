"""The golden loss sequences: where they lie and how they come about."""

from __future__ import annotations

from pathlib import Path

import torch

from redo_lab.neurons.hooks import Hooks
from redo_lab.types import Counters
from tests.helpers.agents import AGENTS, batches, tiny
from tests.helpers.methods import REGULARISERS, WITH_CLASS, part, regulariser

FOLDER = Path(__file__).parent
UPDATES = 20
EVERY = [(name, "none") for name in AGENTS] + [
    (name, method) for name in ("dqn", "drq_eps", "sac") for method in (*WITH_CLASS, *REGULARISERS)
]


def sequence(name: str, method: str = "none") -> dict[str, list[float]]:
    """Every metric of the first updates of the tiny agent `name` on the synthetic batches, with one torch thread.

    A recycling `method` acts after every update, a regulariser within it, with a coefficient that shows.
    """
    torch.set_num_threads(1)
    agent = tiny(name)
    regularisers = [regulariser(method, agent, coefficient=0.1)] if method in REGULARISERS else []
    hooks = Hooks([(part, lambda n: batches(name, 1)[0]) for part in regularisers])
    recycler = part(method) if method in WITH_CLASS else None
    found: dict[str, list[float]] = {}
    for step, batch in enumerate(batches(name, UPDATES), start=1):
        for metric, value in agent.update(batch, hooks).items():
            found.setdefault(metric, []).append(float(f"{value.item():.7g}"))
        if recycler is not None:
            recycler.after_update(agent, Counters(step, step), lambda n, batch=batch: batch)
        agent.end_env_step(1000 * step)
    return found


def path(name: str, method: str = "none") -> Path:
    return FOLDER / (f"{name}.json" if method == "none" else f"{name}-{method}.json")
