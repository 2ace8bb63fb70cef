"""What the config groups offer: the files of `conf/` and of the user's own folders, and the games of environments."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from redo_lab.config import ConfigError, require, target_of
from redo_lab.paths import conf_folders, user_conf

NO_GROUPS = ("hydra", "sweeps", "figures")
"""Folders of a conf that hold no options of a run."""


def groups() -> list[str]:
    """The config groups: the folders of `conf/` and of the user's own."""
    return sorted({name for conf in conf_folders() for name in _folders(conf)} - set(NO_GROUPS))


def options(group: str) -> list[str]:
    """Every option of `group`, nested ones as `folder/option`, games as `environment/game`."""
    names = files(group)
    if group == "env":
        names += [f"{name}/{game}" for name in names for game in games(name)]
    return sorted(set(names))


def files(group: str) -> list[str]:
    """The options of `group` that have a file, which may be in a folder below."""
    folders = [conf / group for conf in conf_folders()]
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for folder in folders for path in _below(folder))


def games(environment: str) -> dict[str, str]:
    """Option → `env.game`, of an environment whose file leaves the game open and whose class names its games."""
    return dict(_games(environment, conf_folders()))


def check_user_conf() -> None:
    """The user's folders exist, and none of their files has the name of one that another folder has: ConfigError."""
    shipped_conf, *own = conf_folders()
    owners = {path.relative_to(shipped_conf): shipped_conf for path in _below(shipped_conf)}
    for folder in own:
        require(folder.is_dir(), f"--conf: there is no folder {folder}")
        for path in _below(folder):
            name = path.relative_to(folder)
            owner = owners.setdefault(name, folder)
            require(owner == folder, f"--conf: {path} has the name of {owner / name}: give it another")
        for name in set(OmegaConf.load(shipped_conf / "config.yaml")) & set(_folders(folder)) - set(
            _folders(shipped_conf)
        ):
            raise ConfigError(
                f"--conf: {folder / name} has the name of a setting of every run ({name}=…): call the folder otherwise"
            )


def configured_packages() -> tuple[str, ...]:
    """The top-level packages whose classes the user's own YAML files name, after redo_lab."""
    texts = (path.read_text(encoding="utf-8") for folder in user_conf() for path in _below(folder))
    named = {package for text in texts for package in re.findall(r"_target_\W+(\w+)\.", text)}
    return ("redo_lab", *sorted(named - {"redo_lab"}))


def check_targets(node: Any, path: str = "") -> None:
    """ConfigError if a class that is named below `node` is of a package that neither redo_lab nor the user has named.

    Nothing is imported: a config may have come with somebody else's run directory.
    """
    packages = configured_packages()
    for where, target in _targets(node, path):
        if target.partition(".")[0] not in packages:
            raise ConfigError(
                f"{where}: {target} is of no package that you have named (known: {', '.join(packages)}); if you trust "
                "it, name the folder whose YAML files use it: redo-lab --conf FOLDER …, or REDO_LAB_CONF=FOLDER"
            )


def node_of(group: str, name: str) -> dict[str, Any]:
    """The node `group` that conf/<group>/<name>.yaml asks for, interpolations as they are; empty without that file."""
    path = next((path for conf in conf_folders() if (path := conf / group / f"{name}.yaml").is_file()), None)
    if path is None or not name:
        return {}
    loaded = OmegaConf.load(path)
    content = OmegaConf.to_container(loaded) if isinstance(loaded, DictConfig) else {}
    assert isinstance(content, dict)
    node: dict[str, Any] = {}
    for entry in content.get("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            node |= node_of(group, entry.removeprefix(f"/{group}/"))
    own: dict[str, Any] = content.get(group, content if "_target_" in content else {})
    return node | own


def check_lists(words: Iterable[str]) -> None:
    """ConfigError if one of `words` gives a group a list with an option twice, or with `none` beside others."""
    for word in words:
        group, _, value = word.partition("=")
        if group not in groups() or not re.fullmatch(r"\[.*\]", value):
            continue
        names = [name.strip("'\" ") for name in value[1:-1].split(",")]
        again = sorted({name for name in names if names.count(name) > 1})
        others = [name for name in names if name != "none"]
        require(not again, f"{word}: {', '.join(again)} is there more than once: {group}={_listed(names)}")
        require(
            "none" not in names or not others,
            f"{word}: none stands alone: {group}={_listed(others)}, or {group}=none for no {group}",
        )


def _targets(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every class named below `node`, with the path of its node."""
    if isinstance(node, Mapping):
        if isinstance(target := node.get("_target_"), str):
            yield path or "the config", target
        for key, value in node.items():
            yield from _targets(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _targets(value, f"{path}[{index}]")


@functools.cache
def _games(environment: str, _folders: tuple[Path, ...]) -> dict[str, str]:
    node = node_of("env", environment)
    if node.get("game") != "???":
        return {}
    owner = target_of(node, "env")
    return dict(owner.games(node)) if hasattr(owner, "games") else {}


def _listed(names: list[str]) -> str:
    one, *more = dict.fromkeys(names)
    return f"[{','.join([one, *more])}]" if more else one


def _below(folder: Path) -> Iterator[Path]:
    return folder.rglob("*.yaml")


def _folders(conf: Path) -> list[str]:
    return [path.name for path in conf.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]
