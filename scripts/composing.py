"""Configs as `redo-lab train` composes them, for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from redo_lab.commands.words import quoted
from redo_lab.config import resolve
from redo_lab.options import groups
from redo_lab.paths import shipped
from redo_lab.scaling import register_resolvers


class Composed(NamedTuple):
    """config: as Hydra has it, without its own node; plain: resolved; choices: the option of each group."""

    config: DictConfig
    plain: dict[str, Any]
    choices: dict[str, str]


@contextmanager
def hydra_open() -> Iterator[None]:
    """Within the context configs are composed from conf/; afterwards Hydra is free for others of this process."""
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        yield
    GlobalHydra.instance().clear()


def composed(words: Sequence[str]) -> Composed:
    """The config of `redo-lab train words`, while Hydra is open; ConfigError for a value that is missing."""
    typed = [quoted(word, groups()) for word in words]
    whole = compose("config", overrides=typed, return_hydra_config=True)
    config = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
    return Composed(config, resolve(config), dict(whole.hydra.runtime.choices))
