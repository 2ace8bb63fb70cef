"""Composing the real configs in tests."""

from __future__ import annotations

from typing import Any

from redo_lab.plan import Plan, plan
from scripts import composing


def composed(*overrides: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The resolved config of `redo-lab train <overrides>` and the choices of its groups."""
    with composing.hydra_open():
        _, plain, choices = composing.composed(overrides)
    return plain, choices


def planned(*overrides: str) -> Plan:
    """The checked run that `redo-lab train <overrides>` would start."""
    return plan(*composed(*overrides))
