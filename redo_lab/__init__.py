"""Plasticity experiments in deep reinforcement learning: ReDo, its baselines, every figure of the paper."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redo_lab.library.agent import load_agent
    from redo_lab.library.networks import dormancy, recycle
    from redo_lab.library.run import load_run
    from redo_lab.neurons.declare import declare

__version__ = "0.1.0"

__all__ = ["declare", "dormancy", "load_agent", "load_run", "recycle"]

_HOMES = {
    "declare": "redo_lab.neurons.declare",
    "dormancy": "redo_lab.library.networks",
    "load_agent": "redo_lab.library.agent",
    "load_run": "redo_lab.library.run",
    "recycle": "redo_lab.library.networks",
}


def __getattr__(name: str) -> Any:
    """The public functions, imported at first use: `redo-lab status` needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'redo_lab' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What a notebook completes."""
    return sorted({*globals(), *__all__})
