"""`redo-lab figure NAME`: one figure of figures/NAME.yaml, as PDF, SVG and PNG, with its numbers and its caption."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from redo_lab.analysis.recipes import described
from redo_lab.analysis.selection import add_selection, folder_of, guarded
from redo_lab.runs.reading import printable

FORMATS = ("pdf", "svg", "png")


def parser() -> argparse.ArgumentParser:
    """The words of `redo-lab figure`."""
    command_line = argparse.ArgumentParser(
        "redo-lab figure", description="Draws one figure; --list names those there are."
    )
    command_line.add_argument("name", nargs="?", metavar="NAME", help="one of --list, or the path of a YAML file")
    add_selection(command_line, runs="*")
    command_line.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="where the files go (default: the first RUNS; without RUNS runs/figures)",
    )
    command_line.add_argument("--format", nargs="+", choices=FORMATS, default=FORMATS, help="default: all three")
    command_line.add_argument("--bare", action="store_true", help="no caption inside the figure (it is in NAME.txt)")
    command_line.add_argument(
        "--smooth", type=int, default=1, metavar="N", help="average curves over N points; the caption says"
    )
    command_line.add_argument("--list", action="store_true", help="the figures there are")
    return command_line


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    command_line = parser()
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
    from redo_lab.analysis.figures.base import of_all, save
    from redo_lab.analysis.sources import drawn

    if arguments.smooth < 1:
        raise ValueError(f"--smooth must be ≥ 1, got {arguments.smooth}")
    drawing, sources = drawn(arguments)
    score_tables = [source.score_table for source in sources]
    name, text = Path(arguments.name).stem, of_all(score_tables, drawing.notes, pooled=drawing.pooled)
    output = arguments.output or folder_of(arguments, "figures")
    paths = save(drawing, text, output, name, arguments.format, bare=arguments.bare)
    warnings = [line for table in score_tables for line in (*table.warnings(pooled=drawing.pooled), *table.left_out)]
    for line in dict.fromkeys(warnings):
        print(printable(f"warning: {line}"), file=sys.stderr)
    print("written: " + ", ".join(map(str, paths)))
