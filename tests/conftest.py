"""One torch thread a process: tests run side by side, and sums come out the same everywhere."""

from __future__ import annotations

import logging
import sys

import absl.logging
import hypothesis
import pytest
import torch

# rliable loads absl, whose log handler closes its stream when Hydra sets up logging: pytest's, without this.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__
torch.set_num_threads(1)
# The same examples each time, however slow the machine is.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_tracker_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as in a pipe, whatever terminal the tests are started from."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def _log_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in this process turns it to its own log.txt; caplog then hears nothing more."""
    monkeypatch.setattr(logging.getLogger("redo_lab"), "propagate", True)
