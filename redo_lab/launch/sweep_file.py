"""`sweeps/NAME.yaml`: the jobs of a figure as axes: a product, values that go together, and what to leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from redo_lab.config import ConfigError, nearest
from redo_lab.paths import shipped

KEYS = ("use", "sweeps", "overrides", "grid", "zip", "exclude", "at")
SCALE, PAPER = "scale", "paper"

Values = Callable[[str], list[str]]
"""`seed=range(2)` → `seed=0`, `seed=1`: how Hydra reads a word of the command line."""


@dataclass
class SweepFile:
    """overrides: of every job; grid: axes of the product; zip: axes of several keys; exclude: jobs to leave out.

    `use` in a file names others whose content comes first: `lists/games17`. at: by scale, what comes last there: fewer
    games, shorter runs. sweeps: others whose jobs come before these, each with its own experiment.
    """

    sweeps: list[SweepFile] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Any] = field(default_factory=dict)
    zip: list[dict[str, list[Any]]] = field(default_factory=list)
    exclude: list[dict[str, Any]] = field(default_factory=list)
    at: dict[str, SweepFile] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, users: tuple[Path, ...] = ()) -> SweepFile:
        """The file at `path`, which `users` use; ConfigError says what is wrong with it."""
        try:
            content = OmegaConf.to_container(OmegaConf.load(path))
        except (OSError, YAMLError, OmegaConfBaseException) as error:
            raise ConfigError(f"{path}: {error}") from error
        return cls._of(path, content, users, KEYS)

    @classmethod
    def _of(cls, path: Path, content: Any, users: tuple[Path, ...], keys: Sequence[str]) -> SweepFile:
        if not isinstance(content, dict) or not content:
            raise ConfigError(f"{path}: a sweep has the keys {', '.join(keys)}")
        own = {str(key): value for key, value in content.items()}
        for key, value in own.items():
            _check_shape(path, key, value, keys)
        whole = cls()
        for name in _listed(own.pop("use", [])):
            whole = whole.then(cls.read(_used(path, name, users), (*users, path)))
        own["sweeps"] = [cls.read(_used(path, name, users), (*users, path)) for name in _listed(own.get("sweeps", []))]
        inner = [key for key in KEYS if key not in ("at", "sweeps")]
        own["at"] = {scale: cls._of(path, there, users, inner) for scale, there in own.get("at", {}).items()}
        return whole.then(cls(**own))

    def then(self, other: SweepFile) -> SweepFile:
        """Both together; where both give a key, or zip the same keys, `other`'s value in this one's place."""
        again = [set(together) for together in other.zip]
        at = {scale: self.at.get(scale, SweepFile()).then(there) for scale, there in other.at.items()}
        return SweepFile(
            sweeps=self.sweeps + other.sweeps,
            overrides=self.overrides | other.overrides,
            grid=self.grid | other.grid,
            zip=[together for together in self.zip if set(together) not in again] + other.zip,
            exclude=self.exclude + other.exclude,
            at=self.at | at,
        )

    def _at_scale(self, scales: Sequence[str]) -> SweepFile:
        """What the jobs are at the scale of the command line, else at the file's own."""
        if len(scales) > 1 and self.at:
            raise ConfigError(f"this sweep has other runs at each scale: one at a time, got {', '.join(scales)}")
        scale = scales[0] if scales else _text(self.overrides.get(SCALE, PAPER))
        return self.then(self.at.get(scale, SweepFile()))

    def jobs(self, words: Sequence[str], values: Values) -> list[list[str]]:
        """The overrides of every job; `words` of the command line replace the axis or override of the same key."""
        given = {key_of(word): values(word) for word in words}
        before = [job for sweep in self.sweeps for job in sweep.jobs(words, values)]
        if self.sweeps and not (self.overrides or self.grid or self.zip):
            return before
        return before + self._at_scale([word.partition("=")[2] for word in given.get(SCALE, [])])._jobs(given, values)

    def _jobs(self, given: Mapping[str, list[str]], values: Values) -> list[list[str]]:
        axes: dict[tuple[str, ...], list[tuple[str, ...]]] = {
            (key,): [(word,) for word in values(f"{key}={_text(value)}")] for key, value in self.overrides.items()
        }
        axes |= {(key,): [(word,) for word in _words(key, value, values)] for key, value in self.grid.items()}
        for together in self.zip:
            replaced = [key for key in together if key in given]
            if not replaced:
                axes = {keys: axis for keys, axis in axes.items() if not set(keys) & set(together)}
                axes[tuple(together)] = list(zip(*(_words(k, v, values) for k, v in together.items()), strict=True))
            elif len(replaced) < len(together):
                left = ", ".join(key for key in together if key not in given)
                raise ConfigError(f"{replaced[0]} goes together with {left} in this sweep: give these too")
        axes |= {(key,): [(word,) for word in chosen] for key, chosen in given.items()}
        jobs = [[word for part in parts for word in part] for parts in product(*axes.values())]
        return [job for job in jobs if not any(_holds(job, left_out) for left_out in self.exclude)]


def key_of(word: str) -> str:
    """`seed` of `seed=0`; a word without `=` is its own key."""
    return word.partition("=")[0]


def _words(key: str, value: Any, values: Values) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    return [word for part in parts for word in values(f"{key}={_text(part)}")]


def _listed(names: str | list[str]) -> list[str]:
    return names if isinstance(names, list) else [names]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _holds(job: Sequence[str], wanted: Mapping[str, Any]) -> bool:
    given = {key_of(word): word.partition("=")[2].strip("'\"") for word in job}
    return all(
        given.get(key) in [_text(one) for one in (value if isinstance(value, list) else [value])]
        for key, value in wanted.items()
    )


def _used(path: Path, name: str, users: Sequence[Path]) -> Path:
    """The file that the sweep at `path` uses: beside it, or of those that come with redo_lab."""
    beside, ours = path.parent / f"{name}.yaml", shipped("sweeps") / f"{name}.yaml"
    used = beside if beside.is_file() else ours
    if not used.is_file():
        raise ConfigError(f"{path}: use: there is no {beside}, and no sweep '{name}' comes with redo_lab")
    if used.resolve() in [user.resolve() for user in (path, *users)]:
        raise ConfigError(f"{path}: use: '{name}' uses this file")
    return used


def _check_shape(path: Path, key: str, value: Any, keys: Sequence[str]) -> None:
    if key not in keys:
        raise ConfigError(f"{path}: unknown key '{key}': {nearest(key, keys)}")
    if key in ("use", "sweeps"):
        if not all(isinstance(one, str) for one in _listed(value)):
            raise ConfigError(f"{path}: {key} must be a name or a list of names")
        return
    if key in ("overrides", "grid", "at"):
        if not isinstance(value, dict):
            of = "scales to what changes there" if key == "at" else "keys to values"
            raise ConfigError(f"{path}: {key} must be a mapping of {of}")
        return
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"{path}: {key} must be a list of mappings")
    if key == "zip":
        for together in value:
            lengths = {name: len(one) if isinstance(one, list) else -1 for name, one in together.items()}
            if len(set(lengths.values())) > 1 or -1 in lengths.values():
                listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
                raise ConfigError(f"{path}: what is zipped must be lists of the same length, got {listed}")
