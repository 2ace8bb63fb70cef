"""`redo-lab figure NAME`: one figure of figures/NAME.yaml, as PDF, SVG and PNG, with its numbers and its caption."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redo_lab.analysis.selection import ROOT, add_selection, guarded, narrowed, resampling_of, study_of, table_of

if TYPE_CHECKING:
    from redo_lab.analysis.figures.base import Kind

FIGURES = Path(__file__).parent.parent.parent / "figures"
FORMATS = ("pdf", "svg", "png")
KEYS = ("use", "runs", "by", "where", "mixed_steps", "figure")


@dataclass(frozen=True)
class Recipe:
    """figures/NAME.yaml. runs: the experiment below ./runs that it is of; None: it has to be named."""

    kind: Kind
    runs: str | None
    by: list[str] | None
    where: str | None
    mixed_steps: bool


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    made = argparse.ArgumentParser("redo-lab figure", description="Draws one figure; --list names those there are.")
    made.add_argument("name", nargs="?", metavar="NAME", help="one of --list, or the path of a YAML file")
    add_selection(made, runs="*")
    made.add_argument(
        "-o", "--output", type=Path, default=Path(), metavar="DIR", help="where the files go (default: .)"
    )
    made.add_argument("--format", nargs="+", choices=FORMATS, default=FORMATS, help="default: all three")
    made.add_argument("--bare", action="store_true", help="no caption inside the figure (it is in NAME.txt)")
    made.add_argument(
        "--smooth", type=int, default=1, metavar="N", help="average curves over N points; the caption says"
    )
    made.add_argument("--list", action="store_true", help="the figures there are")
    arguments = made.parse_args(argv)
    if arguments.list:
        print("\n".join(described()))
        return 0
    if arguments.name is None:
        made.print_usage(sys.stderr)
        print("redo-lab figure: which one? `redo-lab figure --list` names them", file=sys.stderr)
        return 2
    return guarded("figure", _figure, arguments)


def _figure(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.figures.base import Source, save

    if arguments.smooth < 1:
        raise ValueError(f"--smooth must be ≥ 1, got {arguments.smooth}")
    recipe = read(arguments.name)
    resampling = resampling_of(arguments)
    table = table_of(arguments, ROOT / recipe.runs if recipe.runs else None)
    table = narrowed(table, recipe.where)
    arguments.by = arguments.by or recipe.by
    study = study_of(arguments, table, mixed_steps=recipe.mixed_steps)
    drawing = recipe.kind.draw(Source(study, table, resampling, arguments.smooth))
    name = Path(arguments.name).stem
    paths = save(drawing, study, arguments.output, name, arguments.format, bare=arguments.bare)
    for line in (*study.warnings(), *study.left_out):
        print(f"warning: {line}", file=sys.stderr)
    print("written: " + ", ".join(map(str, paths)))


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
    """The figures that come with redo_lab."""
    return sorted(path.stem for path in FIGURES.glob("*.yaml"))


def described() -> list[str]:
    """A line for each: its name and the first line of its file."""
    width = max(map(len, names())) + 2
    lines = ((name, (FIGURES / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]) for name in names())
    return [f"  {name:<{width}}{line.lstrip('# ')}" for name, line in lines]


def _merged(name: str) -> dict[str, Any]:
    from omegaconf import OmegaConf

    from redo_lab.config import nearest

    path = FIGURES / f"{name}.yaml" if "/" not in name and not name.endswith((".yaml", ".yml")) else Path(name)
    if not path.is_file():
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
