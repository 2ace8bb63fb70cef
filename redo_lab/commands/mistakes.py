"""The complaints of Hydra and OmegaConf in one line that names the nearest valid choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from redo_lab.config import ConfigError, flatten, nearest
from redo_lab.options import files, groups, options
from redo_lab.paths import conf_folders, shipped
from redo_lab.scaling import register_resolvers

MISTAKES = (ConfigError, HydraException, OmegaConfBaseException)
"""What a user's config can raise before work starts."""


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """One message for the user; `overrides` are what was typed."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        return _missing_option(error.missing_cfg_file)
    text = str(error).strip()
    if isinstance(error, OverrideParseException):
        return f"cannot read '{error.override}': {text.splitlines()[0]}"
    match = re.search(r"Could not override '([^']+)'", text)
    if match:
        key = match[1].split("@")[0]
        if key in groups():
            return _not_in_study(key)
        keys = _keys(overrides)
        if key.startswith("schedule."):
            return _no_schedule(key, keys)
        part = re.match(r"((recycler|regulariser|probe)s)\.(\w+)", key)
        if part and part[0] not in keys and part[3] in options(part[2]):
            return f"'{part[0]}' is not part of this run: give {part[2]}={part[3]} too"
        return f"unknown key '{key}': {nearest(key, [*keys, *groups()])}"
    return text.splitlines()[0] if text else repr(error)


def _missing_option(file: str) -> str:
    group, slash, option = file.partition("/")
    if not slash:
        return f"no config '{file}': {nearest(file, (path.stem for path in shipped('conf').glob('*.yaml')))}"
    for other in groups():
        if option in options(other):
            return f"no option '{option}' in group '{group}': it is one of another group, give {other}={option}"
    return f"no option '{option}' in group '{group}': {nearest(option, options(group))}"


def _not_in_study(group: str) -> str:
    studies = [f"study={name}" for name in files("study") if group in _groups_of_study(name)]
    return f"this study has no '{group}': leave {group}=… out" + (
        f", or give {' or '.join(studies)}" if studies else ""
    )


def _groups_of_study(name: str) -> set[str]:
    """The groups in the defaults of conf/study/<name>.yaml, its own or the user's."""
    (path, *_) = (path for conf in conf_folders() if (path := conf / "study" / f"{name}.yaml").is_file())
    loaded = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(loaded, dict)
    entries = [entry for entry in loaded.get("defaults", []) if isinstance(entry, dict)]
    return {str(key).split()[-1].lstrip("/") for entry in entries for key in entry}


def _no_schedule(key: str, keys: Sequence[str]) -> str:
    name = key.removeprefix("schedule.")
    same = [other for other in keys if other.rpartition(".")[2] == name]
    return f"there is no '{key}' any more, each part has its own numbers: {nearest(same[0] if same else name, keys)}"


def _keys(overrides: Iterable[str]) -> list[str]:
    chosen = [word for word in overrides if word.partition("=")[0] in groups()]
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        try:
            return list(flatten(compose("config", overrides=chosen)))
        except HydraException:
            return list(flatten(compose("config")))
