"""`figures/NAME.yaml`: what a figure shows, of which runs, which kind draws it, which verbs draw it by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redo_lab.analysis.schemes import RAO_WU, SCHEMES
from redo_lab.paths import folders, shipped

if TYPE_CHECKING:
    from redo_lab.analysis.figures.base import Kind

FIGURES = shipped("figures")
LOOKS = "looks"
"""The file beside the figures that says how methods look."""
KEYS = ("use", "runs", "by", "where", "mixed_steps", "interval", "report", "aggregate", "figure")
OWN = ("report", "aggregate")
"""Keys that a figure doesn't take over from the one that it uses."""
ALWAYS = "always"
GAMES = ("few", "many")
FEW_GAMES = 4
"""So many get a panel each."""


@dataclass(frozen=True)
class Recipe:
    """figures/NAME.yaml. title: its first line; runs: the experiment below ./runs that it is of; None: name it.

    interval: how its intervals are drawn unless --interval is given; None: by the default.
    """

    kind: Kind
    title: str
    runs: str | None
    by: list[str] | None
    where: str | None
    mixed_steps: bool
    interval: str | None


def read(name: str) -> Recipe:
    """The recipe of that name or path, what it `use`s filled in; ValueError says what is wrong with it."""
    from redo_lab.config import build

    path = _path(name)
    content = _merged(path)
    if "figure" not in content:
        raise ValueError(f"figure '{name}' has no `figure`, and uses none that has")
    return Recipe(
        kind=build(content["figure"], "figure"),
        title=_title(path),
        runs=content.get("runs"),
        by=content.get("by"),
        where=content.get("where"),
        mixed_steps=bool(content.get("mixed_steps", False)),
        interval=content.get("interval"),
    )


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


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _contents() -> dict[str, dict[str, Any]]:
    return {name: _content(path) for name, path in _paths().items()}


def _content(path: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    from redo_lab.config import nearest

    content = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a figure has the keys {', '.join(KEYS)}")
    figure = {str(key): value for key, value in content.items()}
    for key in figure:
        if key not in KEYS:
            raise ValueError(f"{path}: no such key '{key}': {nearest(key, KEYS)}")
    _check(path, figure)
    return figure


def _check(path: Path, figure: Mapping[str, Any]) -> None:
    if not isinstance(figure.get("report", 0), int):
        raise ValueError(f"{path}: report is a place in the report, a whole number, got {figure['report']!r}")
    if figure.get("interval", RAO_WU) not in SCHEMES:
        raise ValueError(f"{path}: interval is one of {', '.join(SCHEMES)}, got {figure['interval']!r}")
    when = figure.get("aggregate", {})
    if not isinstance(when, dict) or not set(when) <= {ALWAYS, *GAMES}:
        raise ValueError(f"{path}: aggregate says under which of {ALWAYS}, {', '.join(GAMES)} it writes which file, "
                         f"got {when!r}")  # fmt: skip


def _merged(path: Path) -> dict[str, Any]:
    content = _content(path)
    if "use" not in content:
        return content
    base = {key: value for key, value in _merged(_path(str(content.pop("use")))).items() if key not in OWN}
    return {**base, **content, "figure": {**base["figure"], **content.get("figure", {})}}
