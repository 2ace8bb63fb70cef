"""Weights & Biases beside the run directory: the numbers of metrics.csv, online or in a file to sync later."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redo_lab.loggers.wandb.tracker import Mode, Wandb

__all__ = ["Mode", "Wandb"]


def __getattr__(name: str) -> object:
    """The tracker loads torch, and the process that sends, which is in this package too, does without."""
    if name not in __all__:
        raise AttributeError(name)
    from redo_lab.loggers.wandb import tracker

    return getattr(tracker, name)
