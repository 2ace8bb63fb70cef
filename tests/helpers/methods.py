"""Every shipped recycling method, with periods and sizes that suit a test."""

from __future__ import annotations

from typing import Any

import torch
import yaml

from redo_lab.commands.train import CONF
from redo_lab.config import build
from redo_lab.protocols import Learner

METHODS = sorted(file.stem for file in (CONF / "recycler").glob("*.yaml"))
WITH_CLASS = [name for name in METHODS if name != "none"]
REGULARISERS = sorted(file.stem for file in (CONF / "regulariser").glob("*.yaml") if file.stem != "none")
SHORT = {
    "period_updates": 1,
    "period_env_steps": 1,
    "maturity_updates": 1,
    "replacement_rate": 0.1,
    "batch_size": 8,
    "threshold": 0.5,
    "end_updates": 100,
}


def part(name: str, device: str = "cpu") -> Any:
    """The method as shipped, but for periods and sizes that suit a test, for a learner on `device`."""
    node = yaml.safe_load((CONF / "recycler" / f"{name}.yaml").read_text())
    node |= {key: value for key, value in SHORT.items() if node.get(key) is not None}
    return build(node, f"recyclers.{name}", name=name, generator=torch.Generator(device).manual_seed(0))


def regulariser(name: str, learner: Learner, **changes: object) -> Any:
    """The regulariser as shipped, some of its settings changed."""
    node = yaml.safe_load((CONF / "regulariser" / f"{name}.yaml").read_text()) | changes
    generator = torch.Generator().manual_seed(0)
    return build(node, f"regularisers.{name}", name=name, learner=learner, generator=generator)
