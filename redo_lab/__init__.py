"""Plasticity experiments in deep reinforcement learning: ReDo, its baselines, every figure of the paper."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redo_lab.library import dormancy, recycle
    from redo_lab.neurons.declare import declare

__all__ = ["declare", "dormancy", "recycle"]

_HOMES = {"declare": "redo_lab.neurons.declare", "dormancy": "redo_lab.library", "recycle": "redo_lab.library"}


def __getattr__(name: str) -> Any:
    """The public functions, imported at first use: `redo-lab status` needs no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'redo_lab' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
