"""What Hydra and OmegaConf complain of, said in one line that names the nearest valid choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from redo_lab.config import ConfigError, flatten, nearest, register_resolvers

MISTAKES = (ConfigError, HydraException, OmegaConfBaseException)
"""What a user's config can raise before work starts."""


def explain(error: Exception, overrides: Sequence[str], conf: Path) -> str:
    """One message for the user; `overrides` are what was typed, `conf` the folder of the groups."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        return _missing_option(error.missing_cfg_file, conf)
    text = str(error).strip()
    if isinstance(error, OverrideParseException):
        return f"cannot read '{error.override}': {text.splitlines()[0]}"
    match = re.search(r"Could not override '([^']+)'", text)
    if match:
        key = match[1].split("@")[0]
        absent = re.match(r"((recycler|regulariser|probe)s)\.(\w+)", key)
        if absent and absent[3] in options(conf, absent[2]):
            return f"'{absent[0]}' is not part of this run: give {absent[2]}={absent[3]} too"
        return f"unknown key '{key}': {nearest(key, [*_keys(overrides, conf), *groups(conf)])}"
    return text.splitlines()[0] if text else repr(error)


def _missing_option(file: str, conf: Path) -> str:
    group, slash, option = file.partition("/")
    if not slash:
        return f"no config '{file}': {nearest(file, (path.stem for path in conf.glob('*.yaml')))}"
    for other in groups(conf):
        if option in options(conf, other):
            return f"no option '{option}' in group '{group}': it is one of another group, give {other}={option}"
    return f"no option '{option}' in group '{group}': {nearest(option, options(conf, group))}"


def groups(conf: Path) -> list[str]:
    """The config groups: the folders of `conf`."""
    return [path.name for path in conf.iterdir() if path.is_dir()]


def options(conf: Path, group: str) -> list[str]:
    """Every option of `group`, nested ones as `folder/option`."""
    return [str(path.relative_to(conf / group).with_suffix("")) for path in (conf / group).rglob("*.yaml")]


def _keys(overrides: Iterable[str], conf: Path) -> list[str]:
    chosen = [word for word in overrides if word.partition("=")[0] in groups(conf)]
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            return list(flatten(compose("config", overrides=chosen)))
        except HydraException:
            return list(flatten(compose("config")))
