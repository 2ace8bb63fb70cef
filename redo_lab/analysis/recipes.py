"""`figures/NAME.yaml`: what a figure shows, of which runs, which kind draws it, which verbs draw it by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redo_lab.analysis.schemes import RAO_WU, SCHEMES
from redo_lab.analysis.sheet import LOOKS
from redo_lab.paths import folders, shipped

if TYPE_CHECKING:
    from redo_lab.analysis.figures.base import Kind
    from redo_lab.analysis.figures.beside import Layout

FIGURES = shipped("figures")
SELECTION = ("use", "runs", "by", "where", "mixed_steps", "interval", "figure")
"""What a figure is made of, and each panel of one."""
KEYS = (*SELECTION, "report", "aggregate", "at", "panels", "layout")
OWN = ("report", "aggregate", "at")
"""Keys that a figure doesn't take over from the one that it uses."""
ALWAYS = "always"
GAMES = ("few", "many")
FEW_GAMES = 4
"""So many get a panel each."""


@dataclass(frozen=True)
class Recipe:
    """One drawing. runs: the experiment below ./runs that it is of; None: name it.

    interval: how its intervals are drawn unless --interval is given; None: by the default.
    """

    kind: Kind
    runs: str | None
    by: list[str] | None
    where: str | None
    mixed_steps: bool
    interval: str | None


@dataclass(frozen=True)
class Figure:
    """figures/NAME.yaml at one scale. title: its first line; panels: one, or several in a `layout`."""

    title: str
    panels: tuple[Recipe, ...]
    layout: Layout | None

    @property
    def alone(self) -> Recipe:
        """The only one; ValueError for a figure of several panels."""
        if self.layout is not None:
            raise ValueError("a figure of several panels is drawn by `redo-lab figure` alone")
        return self.panels[0]


def read(name: str, scale: str | None = None) -> Figure:
    """The figure of that name or path, what it `use`s filled in, as it is at `scale`; ValueError says what is wrong."""
    from redo_lab.analysis.figures.beside import Layout
    from redo_lab.config import build

    path = _path(name)
    content = _merged(path, scale)
    if "panels" not in content:
        return Figure(_title(path), (_recipe(name, content),), None)
    shared = {key: value for key, value in content.items() if key in ("runs", "by", "where", "mixed_steps", "interval")}
    panels = [_over(shared, _panel(path, panel, scale)) for panel in content["panels"].values()]
    layout = build({"_target_": f"{Layout.__module__}.{Layout.__name__}", **content.get("layout", {})}, "layout")
    return Figure(_title(path), tuple(_recipe(name, panel) for panel in panels), layout)


def names() -> list[str]:
    """The figures that come with redo_lab and those in the user's own folders."""
    return sorted(_paths())


def in_report() -> list[str]:
    """The figures whose file has a place in the report (`report: 3`), in the order of these places."""
    places = [(content["report"], name) for name, content in _contents().items() if "report" in content]
    return [name for _, name in sorted(places)]


def of_aggregate(games: int) -> dict[str, str]:
    """What `aggregate` draws of so many games, by the name of the file, from `aggregate: {few: curves}`."""
    when = (GAMES[games > FEW_GAMES], ALWAYS)
    entries = [(name, content["aggregate"]) for name, content in _contents().items() if "aggregate" in content]
    return dict(sorted((file, name) for name, files in entries for key, file in files.items() if key in when))


def described() -> list[str]:
    """A line for each: its name and the first line of its file."""
    paths = _paths()
    width = max(map(len, paths)) + 2
    return [f"  {name:<{width}}{_title(path)}" for name, path in sorted(paths.items())]


def _recipe(name: str, content: Mapping[str, Any]) -> Recipe:
    from redo_lab.config import build

    if "figure" not in content:
        raise ValueError(f"figure '{name}' has no `figure`, and uses none that has")
    conditions = content.get("where", [])
    return Recipe(
        kind=build(content["figure"], "figure"),
        runs=content.get("runs"),
        by=content.get("by"),
        where=" & ".join(f"({one})" for one in conditions) or None,
        mixed_steps=bool(content.get("mixed_steps", False)),
        interval=content.get("interval"),
    )


def _paths() -> dict[str, Path]:
    paths = [path for folder in folders("figures") for path in folder.glob("*.yaml") if path.stem != LOOKS]
    return {path.stem: path for path in reversed(paths)}


def _path(name: str) -> Path:
    from redo_lab.config import nearest

    paths = _paths()
    named = "/" not in name and not name.endswith((".yaml", ".yml"))
    path = paths.get(name) if named else Path(name)
    if path is None or not path.is_file():
        raise ValueError(f"no figure '{name}': {nearest(name, paths)}")
    return path


def _used(name: str, user: Path) -> Path:
    """What `user` uses: of ours, of the user's own, beside it, or any path."""
    places = [folder / f"{name}.yaml" for folder in (*folders("figures"), user.parent)]
    return next((place for place in places if place.is_file() and place != user), None) or _path(name)


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _contents() -> dict[str, dict[str, Any]]:
    return {name: _content(path) for name, path in _paths().items()}


def _content(path: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    content = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a figure has the keys {', '.join(KEYS)}")
    figure = {str(key): value for key, value in content.items()}
    _check(path, figure)
    return figure


def _check(path: Path, figure: Mapping[str, Any]) -> None:
    _check_keys(path, figure, KEYS)
    if not isinstance(figure.get("report", 0), int):
        raise ValueError(f"{path}: report is a place in the report, a whole number, got {figure['report']!r}")
    if figure.get("interval", RAO_WU) not in SCHEMES:
        raise ValueError(f"{path}: interval is one of {', '.join(SCHEMES)}, got {figure['interval']!r}")
    when = figure.get("aggregate", {})
    if not isinstance(when, dict) or not set(when) <= {ALWAYS, *GAMES}:
        raise ValueError(f"{path}: aggregate says under which of {ALWAYS}, {', '.join(GAMES)} it writes which file, "
                         f"got {when!r}")  # fmt: skip
    for key, keys in (("at", [key for key in KEYS if key not in OWN]), ("panels", SELECTION)):
        parts = figure.get(key, {})
        if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
            raise ValueError(f"{path}: {key} must be a mapping of names to mappings, got {parts!r}")
        for part in parts.values():
            _check_keys(path, part, keys)


def _check_keys(path: Path, content: Mapping[str, Any], keys: Sequence[str]) -> None:
    from redo_lab.config import nearest

    for key in content:
        if key not in keys:
            raise ValueError(f"{path}: no such key '{key}': {nearest(str(key), keys)}")


def _merged(path: Path, scale: str | None, users: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The content of `path` with what it uses; `where` as the list of all conditions."""
    content = _content(path)
    at = content.pop("at", {}).get(scale, {})
    return _with_used(path, _nested(content, at), scale, (*users, path))


def _panel(path: Path, panel: Mapping[str, Any], scale: str | None) -> dict[str, Any]:
    return _with_used(path, panel, scale, (path,))


def _with_used(path: Path, own: Mapping[str, Any], scale: str | None, users: tuple[Path, ...]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    used = own.get("use", [])
    for name in used if isinstance(used, list) else [used]:
        other = _used(str(name), path)
        if other in users:
            raise ValueError(f"{path}: use: '{name}' uses this file")
        merged = _merged(other, scale, users)
        whole = _over(whole, {key: value for key, value in merged.items() if key not in OWN})
    where = own.get("where")
    return _over(whole, {**own, "where": [] if where is None else [where]})


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both together, `above` in the place of what `below` says; the conditions of both hold."""
    content = _nested(below, {key: value for key, value in above.items() if key != "use"})
    return content | {"where": [*below.get("where", []), *above.get("where", [])]}


def _nested(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    content = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(content.get(key), Mapping)
        content[key] = _nested(content[key], value) if both else value
    return content
