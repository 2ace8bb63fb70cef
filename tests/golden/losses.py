"""The golden loss sequences: where they lie and how they come about."""

from __future__ import annotations

from pathlib import Path

import torch

from redo_lab.types import Counters
from tests.helpers.agents import AGENTS, batches, node, tiny
from tests.helpers.methods import METHODS, WITH_CLASS, part

FOLDER = Path(__file__).parent
UPDATES = 20
EVERY = [(name, "none") for name in AGENTS] + [
    (name, method) for name in ("dqn", "drq_eps", "sac") for method in METHODS if method != "none"
]


def sequence(name: str, method: str = "none") -> dict[str, list[float]]:
    """Every metric of the first updates of the tiny agent `name` on the synthetic batches, with one torch thread.

    The recycling `method` acts after every update.
    """
    torch.set_num_threads(1)
    decayed = {"optimizer": node(name)["optimizer"] | {"weight_decay": 0.1}} if method == "weight_decay" else {}
    agent = tiny(name, **decayed)
    recycler = part(method) if method in WITH_CLASS else None
    found: dict[str, list[float]] = {}
    for step, batch in enumerate(batches(name, UPDATES), start=1):
        for metric, value in agent.update(batch).items():
            found.setdefault(metric, []).append(float(f"{value.item():.7g}"))
        if recycler is not None:
            recycler.after_update(agent, Counters(step, step), lambda n, batch=batch: batch)
        agent.end_env_step(1000 * step)
    return found


def path(name: str, method: str = "none") -> Path:
    return FOLDER / (f"{name}.json" if method == "none" else f"{name}-{method}.json")
