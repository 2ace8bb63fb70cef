"""The golden loss sequences: where they lie and how they come about."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.agents import batches, tiny

FOLDER = Path(__file__).parent
UPDATES = 20


def sequence(name: str) -> dict[str, list[float]]:
    """Every metric of the first updates of the tiny agent `name` on the synthetic batches, with one torch thread."""
    torch.set_num_threads(1)
    agent = tiny(name)
    found: dict[str, list[float]] = {}
    for env_step, batch in enumerate(batches(name, UPDATES), start=1):
        for metric, value in agent.update(batch).items():
            found.setdefault(metric, []).append(float(f"{value.item():.7g}"))
        agent.end_env_step(1000 * env_step)
    return found


def path(name: str) -> Path:
    return FOLDER / f"{name}.json"
