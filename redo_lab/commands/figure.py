"""`redo-lab figure NAME`: one figure of figures/NAME.yaml, as PDF, SVG and PNG, with its numbers and its caption."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from redo_lab.analysis.recipes import described, read
from redo_lab.analysis.selection import ROOT, add_selection, guarded, narrowed, resampling_of, scores_of, table_of
from redo_lab.runs.reading import printable

FORMATS = ("pdf", "svg", "png")


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    command_line = argparse.ArgumentParser(
        "redo-lab figure", description="Draws one figure; --list names those there are."
    )
    command_line.add_argument("name", nargs="?", metavar="NAME", help="one of --list, or the path of a YAML file")
    add_selection(command_line, runs="*")
    command_line.add_argument(
        "-o", "--output", type=Path, default=Path(), metavar="DIR", help="where the files go (default: .)"
    )
    command_line.add_argument("--format", nargs="+", choices=FORMATS, default=FORMATS, help="default: all three")
    command_line.add_argument("--bare", action="store_true", help="no caption inside the figure (it is in NAME.txt)")
    command_line.add_argument(
        "--smooth", type=int, default=1, metavar="N", help="average curves over N points; the caption says"
    )
    command_line.add_argument("--list", action="store_true", help="the figures there are")
    arguments = command_line.parse_args(argv)
    if arguments.list:
        print("\n".join(described()))
        return 0
    if arguments.name is None:
        command_line.print_usage(sys.stderr)
        print("redo-lab figure: which one? `redo-lab figure --list` names them", file=sys.stderr)
        return 2
    return guarded("figure", _figure, arguments)


def _figure(arguments: argparse.Namespace) -> None:
    from redo_lab.analysis.figures.base import Source, save

    if arguments.smooth < 1:
        raise ValueError(f"--smooth must be ≥ 1, got {arguments.smooth}")
    recipe = read(arguments.name)
    resampling = resampling_of(arguments, recipe.interval)
    table = table_of(arguments, ROOT / recipe.runs if recipe.runs else None)
    table = narrowed(table, recipe.where)
    arguments.by = arguments.by or recipe.by
    score_table = scores_of(arguments, table, mixed_steps=recipe.mixed_steps)
    drawing = recipe.kind.draw(Source(score_table, table, resampling, arguments.smooth))
    name = Path(arguments.name).stem
    paths = save(drawing, score_table, arguments.output, name, arguments.format, bare=arguments.bare)
    for line in (*score_table.warnings(), *score_table.left_out):
        print(printable(f"warning: {line}"), file=sys.stderr)
    print("written: " + ", ".join(map(str, paths)))
