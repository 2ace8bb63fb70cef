"""The config that a run directory holds, read as data: nothing that it names is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from redo_lab.config import ConfigError, require
from redo_lab.options import check_targets
from redo_lab.runs.reading import regular_bytes


def stored_config(path: Path) -> dict[str, Any]:
    """The config that lies in a run's directory as `path`, whoever wrote it; nothing that it names is imported.

    ConfigError: there is none that can be read, it names a class of a package that the user has not named, or an older
    redo_lab wrote it.
    """
    try:
        plain = OmegaConf.to_container(OmegaConf.create(regular_bytes(path).decode()))
    except FileNotFoundError as error:
        raise ConfigError(f"{path.parent} holds no run: there is no {path.name} in it") from error
    except (OSError, ValueError, YAMLError, OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    require(isinstance(plain, Mapping), f"{path} must hold a config, got {plain!r:.40}")
    assert isinstance(plain, Mapping)
    config = {str(key): value for key, value in plain.items()}
    check_targets(config)
    if "study" not in config:
        raise of_another_version(path.parent, "its config has no study")
    return config


def of_another_version(directory: Path, why: str) -> ConfigError:
    """The refusal of a run whose config this redo_lab doesn't understand, for this reason."""
    return ConfigError(
        f"{directory} was begun by another version of redo_lab, probably an older one, and can't be carried on by this "
        f"one ({why}); what it has measured stays readable, and the words that began it with force=true start it anew"
    )
