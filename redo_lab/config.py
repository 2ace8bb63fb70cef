"""From a composed config to parts: each class named by `_target_` owns its schema and is built from it alone."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar, get_type_hints

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

T = TypeVar("T")


class ConfigError(ValueError):
    """A mistake in what the user asked for; the program ends with exit code 2 before any work starts."""


class InputError(ConfigError):
    """What a run is to read isn't there, or isn't what its settings say: a teacher, a data set."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """A hint naming the choice nearest to `word`, or all of them when none is near."""
    names = sorted(set(choices))
    by_folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{by_folded[close[0]]}'?"
    return "choices: " + ", ".join(names)


def require(condition: bool, message: str) -> None:
    """Raises ConfigError(message) unless `condition` holds; for range checks in a `Config.__post_init__`."""
    if not condition:
        raise ConfigError(message)


@dataclass
class ProgressConfig:
    """Seconds between refreshes of status.json (and the bar), and between lines where there is no terminal."""

    refresh_seconds: float
    line_seconds: float

    def __post_init__(self) -> None:
        require(self.refresh_seconds > 0, f"progress.refresh_seconds must be > 0, got {self.refresh_seconds}")
        require(self.line_seconds > 0, f"progress.line_seconds must be > 0, got {self.line_seconds}")


@dataclass
class CheckpointConfig:
    """A checkpoint every `every_seconds`, the last `keep` of them on disk; without `replay` a resume isn't exact.

    final_replay: that of a run's end has the replay, too, for other runs to learn from.
    A run whose owner on another machine gave no sign of life for `stale_seconds` may be taken over.
    """

    every_seconds: float
    keep: int
    replay: bool
    stale_seconds: float
    final_replay: bool = False  # of runs that were begun before there was this choice

    def __post_init__(self) -> None:
        require(self.every_seconds > 0, f"checkpoint.every_seconds must be > 0, got {self.every_seconds}")
        require(self.keep >= 1, f"checkpoint.keep must be ≥ 1, got {self.keep}")
        require(self.replay or not self.final_replay, "checkpoint.final_replay=true needs checkpoint.replay=true")
        require(self.stale_seconds > 0, f"checkpoint.stale_seconds must be > 0, got {self.stale_seconds}")


@dataclass
class RunConfig:
    """What every run has, whatever it studies. The other root nodes belong to the class that `study` names."""

    seed: int
    root: str
    experiment: str
    device: str
    threads: int | None
    force: bool
    checkpoint: CheckpointConfig
    progress: ProgressConfig
    scale: dict[str, Any]
    study: dict[str, Any]
    logger: dict[str, Any]

    def __post_init__(self) -> None:
        require(self.seed >= 0, f"seed must be ≥ 0, got {self.seed}")
        require(self.threads is None or self.threads >= 1, f"threads must be ≥ 1 or null, got {self.threads}")


COMMON = tuple(field.name for field in fields(RunConfig))
"""The root nodes of every run."""

RESERVED = ("shared", "dry_run", "objective")
"""Root nodes that are no part of a run: other nodes refer to them, or the command that starts it."""


def resolve(composed: DictConfig) -> dict[str, Any]:
    """The composed config as a plain dict without interpolations; missing values are refused by name."""
    try:
        missing = sorted(OmegaConf.missing_keys(composed))
        if missing:
            raise ConfigError(f"a value is missing: give {', '.join(f'{key}=…' for key in missing)}")
        plain = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        if (refusal := _refusal_in(error)) is not None:
            raise refusal from None
        raise ConfigError(_first_line(error)) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _refusal_in(error: BaseException | None) -> ConfigError | None:
    """The refusal of one of our resolvers that OmegaConf has wrapped, if that is what `error` is."""
    while error is not None and not isinstance(error, ConfigError):
        error = error.__cause__ or error.__context__
    return error


def run_config(plain: Mapping[str, Any]) -> tuple[RunConfig, Any]:
    """`plain` parsed: what every run has, and its study, whose class has checked all its parts against each other."""
    common = _merge(RunConfig, {key: value for key, value in plain.items() if key in COMMON}, "")
    own = {key: value for key, value in plain.items() if key not in (*COMMON, *RESERVED)}
    cls = target_of(common.study, "study")
    return common, cls(_merge(cls.Config, own, ""))


def target_of(node: Mapping[str, Any], path: str) -> type[Any]:
    """The class that `_target_` of `node` names; raises ConfigError when there is none."""
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise ConfigError(f"{path}: `_target_` must name a class, got {target!r}")
    module_name, _, name = target.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module_name), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(f"{path}: no class {target} ({error})") from error
    if not isinstance(cls, type) or not hasattr(cls, "Config"):
        raise ConfigError(f"{path}: {target} has no nested Config")
    return cls


def parse(node: Mapping[str, Any], path: str) -> Any:
    """The `Config` of the class that `node` names, filled from `node` and checked. `path` is for the messages."""
    schema = target_of(node, path).Config
    return _merge(schema, {key: value for key, value in node.items() if key != "_target_"}, path)


def fill(schema: type[T], node: Mapping[str, Any], path: str, study: str) -> T:
    """`schema` filled from a node that has no class, of a group whose options are of several studies.

    ConfigError where `node` is an option of another study than `study`, or its settings are wrong.
    """
    known = [field.name for field in fields(schema)]  # type: ignore[arg-type]
    if strange := sorted(set(node) - set(known)):
        raise ConfigError(
            f"{path}: {study} has no {path}.{strange[0]}, but {', '.join(known)}: that option of '{path}' is for "
            "another kind of study"
        )
    filled: T = _merge(schema, dict(node), path)
    return filled


@dataclass(frozen=True)
class Part(Generic[T]):
    """A class that a node of the config names and its checked settings: all that building it needs from the config."""

    path: str
    cls: Any
    config: Any

    def build(self, **runtime: Any) -> T:
        """The part itself, made of its settings and of what only a run knows."""
        built: T = self.cls(self.config, **runtime)
        return built


def part(node: Mapping[str, Any], path: str, base: type[T]) -> Part[T]:
    """The part that `node` names; ConfigError unless its class is a `base` and its settings are right."""
    cls = target_of(node, path)
    require(base in cls.__mro__, f"{path}: {cls.__name__} is no {base.__name__}")
    return Part(path, cls, parse(node, path))


def parts(nodes: Mapping[str, Mapping[str, Any]], path: str, base: type[T]) -> dict[str, Part[T]]:
    """The part of each node below `path`, by name."""
    return {name: part(node, f"{path}.{name}", base) for name, node in nodes.items()}


def build(node: Mapping[str, Any], path: str, **runtime: Any) -> Any:
    """The part that `node` names, of whatever kind: its class called with its own Config and the `runtime` objects."""
    return part(node, path, object).build(**runtime)


def _merge(schema: type[Any], values: dict[str, Any], path: str) -> Any:
    structured = OmegaConf.structured(schema)
    _refuse_unknown(schema, values, path)
    try:
        merged = OmegaConf.merge(structured, values)
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"a value is missing: give {', '.join(f'{_join(path, key)}=…' for key in missing)}")
        return OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        key = _join(path, str(error.full_key)) if error.full_key else path
        raise ConfigError(f"{key}: {_with_nearest(_first_line(error))}") from error
    except ConfigError as error:
        raise ConfigError(_under(path, str(error), [field.name for field in fields(schema)])) from error


def _refuse_unknown(schema: type[Any], values: Mapping[str, Any], path: str) -> None:
    kinds = get_type_hints(schema)
    known = [field.name for field in fields(schema)]
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"unknown key '{_join(path, str(key))}': {nearest(str(key), known)}")
        if is_dataclass(kinds[key]) and isinstance(value, Mapping):
            _refuse_unknown(kinds[key], value, _join(path, str(key)))


def _under(path: str, message: str, keys: list[str]) -> str:
    """`message` of a part's own check with the path before it, unless it is there already."""
    if not path or message.startswith((f"{path}.", "a value is missing", "unknown key")):
        return message
    return f"{path}.{message}" if message.split(" ")[0] in keys else f"{path}: {message}"


def _with_nearest(message: str) -> str:
    match = re.search(r"Invalid value '(.*)', expected one of \[(.*)\]", message)
    return f"no choice '{match[1]}': {nearest(match[1], match[2].split(', '))}" if match else message


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def flatten(node: Any, path: str = "") -> Iterator[str]:
    """Every dotted key below `node`, inner ones included."""
    if isinstance(node, (DictConfig, Mapping)) and not isinstance(node, ListConfig):
        for key in node:
            name = _join(path, str(key))
            yield name
            child = node._get_node(key) if isinstance(node, DictConfig) else node[key]
            yield from flatten(child, name)
