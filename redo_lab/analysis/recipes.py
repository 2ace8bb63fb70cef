"""`figures/NAME.yaml`: what a figure shows, of which runs, and which kind draws it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redo_lab.paths import folders, shipped

if TYPE_CHECKING:
    from redo_lab.analysis.figures.base import Kind

FIGURES = shipped("figures")
KEYS = ("use", "runs", "by", "where", "mixed_steps", "figure")


@dataclass(frozen=True)
class Recipe:
    """figures/NAME.yaml. runs: the experiment below ./runs that it is of; None: it has to be named."""

    kind: Kind
    runs: str | None
    by: list[str] | None
    where: str | None
    mixed_steps: bool


def read(name: str) -> Recipe:
    """The recipe of that name or path, what it `use`s filled in; ValueError says what is wrong with it."""
    from redo_lab.config import build

    found = _merged(name)
    if "figure" not in found:
        raise ValueError(f"figure '{name}' has no `figure`, and uses none that has")
    return Recipe(
        kind=build(found["figure"], "figure"),
        runs=found.get("runs"),
        by=found.get("by"),
        where=found.get("where"),
        mixed_steps=bool(found.get("mixed_steps", False)),
    )


def names() -> list[str]:
    """The figures that come with redo_lab and those in the user's own folders."""
    return sorted(_paths())


def _paths() -> dict[str, Path]:
    return {path.stem: path for folder in reversed(folders("figures")) for path in folder.glob("*.yaml")}


def described() -> list[str]:
    """A line for each: its name and the first line of its file."""
    paths = sorted(_paths().items())
    width = max(len(name) for name, _ in paths) + 2
    lines = ((name, path.read_text(encoding="utf-8").partition("\n")[0]) for name, path in paths)
    return [f"  {name:<{width}}{line.lstrip('# ')}" for name, line in lines]


def _merged(name: str) -> dict[str, Any]:
    from omegaconf import OmegaConf

    from redo_lab.config import nearest

    named = "/" not in name and not name.endswith((".yaml", ".yml"))
    path = _paths().get(name) if named else Path(name)
    if path is None or not path.is_file():
        raise ValueError(f"no figure '{name}': {nearest(name, names())}")
    content = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a figure has the keys {', '.join(KEYS)}")
    found = {str(key): value for key, value in content.items()}
    for key in found:
        if key not in KEYS:
            raise ValueError(f"{path}: no such key '{key}': {nearest(key, KEYS)}")
    if "use" not in found:
        return found
    base = _merged(str(found.pop("use")))
    return {**base, **found, "figure": {**base["figure"], **found.get("figure", {})}}
