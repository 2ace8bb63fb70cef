"""The complaints of Hydra and OmegaConf in one line that names the nearest valid choice."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from redo_lab.commands.hints import Key, composed_of, keys_of, suggestion
from redo_lab.config import ConfigError, nearest
from redo_lab.options import files, groups, options
from redo_lab.paths import conf_folders, shipped

MISTAKES = (ConfigError, HydraException, OmegaConfBaseException)
"""What a user's config can raise before work starts."""

EXTRAS = ("sweeper/optuna",)
"""Options of Hydra that come with an extra of ours, which has their name."""


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """One message for the user; `overrides` are what was typed."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file is not None:
        return _missing_option(error.missing_cfg_file, error.options or (), overrides)
    text = str(error).strip()
    if isinstance(error, OverrideParseException):
        return f"cannot read '{error.override}': {text.splitlines()[0]}"
    match = re.search(r"Could not override '([^']+)'", text)
    if match:
        key = match[1].split("@")[0]
        return _not_in_study(key) if key in groups() else _unknown_key(key, overrides)
    return text.splitlines()[0] if text else repr(error)


def _unknown_key(name: str, overrides: Sequence[str]) -> str:
    composed = composed_of(overrides)
    keys = keys_of(composed)
    paths = [key.path for key in keys if not key.option]
    if name.startswith("schedule."):
        return _no_schedule(name, paths)
    part = re.match(r"((recycler|regulariser|probe)s)\.(\w+)", name)
    if part and part[0] not in paths and part[3] in options(part[2]):
        beside = [str(name) for name in composed.get(part[1], {}) if name in options(part[2])]
        choice = shlex.quote(f"{part[2]}=[{','.join([*beside, part[3]])}]") if beside else f"{part[2]}={part[3]}"
        return f"'{part[0]}' is not part of this run: give {choice} too"
    return f"unknown key '{name}': {suggestion(name, [*keys, *map(Key, groups())])}"


def _missing_option(file: str, offered: Sequence[str], overrides: Sequence[str]) -> str:
    """`file` is group/option; offered: the options Hydra knows, those of its plugins with them."""
    group, slash, option = file.partition("/")
    if not slash:
        return f"no config '{file}': {nearest(file, (path.stem for path in shipped('conf').glob('*.yaml')))}"
    if group == "hydra":
        folder, _, option = option.partition("/")
        extra = f"pip install 'redo_lab[{option}]' adds it" if f"{folder}/{option}" in EXTRAS else ""
        return f"no option '{option}' in group '{group}/{folder}': {extra or nearest(option, offered)}"
    owners = [other for other in groups() if option in options(other)]
    if len(owners) == 1 and not option.replace(".", "", 1).isdecimal():
        return f"no option '{option}' in group '{group}': it is one of another group, give {owners[0]}={option}"
    message = f"no option '{option}' in group '{group}': {_choice(option, options(group))}"
    if not option.replace(".", "", 1).isdecimal():
        return message
    same = [key.path for key in keys_of(composed_of(overrides)) if key.leaf == group and not key.option]
    return f"{message}; or {same[0]}={option} for any other value" if same else message


def _choice(option: str, names: Sequence[str]) -> str:
    """`nearest`, but where none is near, games and the like are one choice of their folder."""
    hint = nearest(option, names)
    if not hint.startswith("choices: "):
        return hint
    folders = {name.partition("/")[0] for name in names if "/" in name}
    return "choices: " + ", ".join(
        [*(name for name in names if "/" not in name), *(f"{folder}/…" for folder in sorted(folders))]
    )


def _not_in_study(group: str) -> str:
    studies = [f"study={name}" for name in files("study") if group in _groups_of_study(name)]
    if not studies:
        return f"'{group}' is a group of your own that no study has in its defaults: +{group}=… adds it"
    return f"this study has no '{group}': leave {group}=… out, or give {' or '.join(studies)}"


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
