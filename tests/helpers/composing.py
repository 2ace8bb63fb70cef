"""Composing the real configs in tests."""

from __future__ import annotations

from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from redo_lab.commands.train import CONF, quoted
from redo_lab.config import register_resolvers, resolve
from redo_lab.options import groups
from redo_lab.plan import Plan, plan


def composed(*overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The resolved config of `redo-lab train <overrides>` and the choices of its groups."""
    register_resolvers()
    GlobalHydra.instance().clear()
    words = [quoted(word, groups()) for word in overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=words, return_hydra_config=True)
    choices = dict(config.hydra.runtime.choices)
    return resolve(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])), choices


def planned(*overrides: str) -> Plan:
    """The checked run that `redo-lab train <overrides>` would start."""
    return plan(*composed(*overrides))
