"""Weights & Biases beside the run directory: the numbers of metrics.csv, online or in a file to sync later."""

from redo_lab.loggers.wandb.tracker import Mode, Wandb

__all__ = ["Mode", "Wandb"]
