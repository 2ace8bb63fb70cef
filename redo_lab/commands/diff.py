"""`redo-lab diff RUN RUN`: in what two runs differ: settings, code, metrics and from where on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from redo_lab.analysis.selection import ROOT
from redo_lab.runs.reading import printable

FEW = 12


def main(argv: Sequence[str]) -> int:
    """As diff(1): 0 the same settings and metrics, 1 not the same, 2 a mistake of the user."""
    command_line = argparse.ArgumentParser(
        "redo-lab diff", description="In what two runs differ; 0 if in nothing, 1 if they do."
    )
    command_line.add_argument("first", metavar="RUN", help="its directory, or a part of its id that no other run has")
    command_line.add_argument("second", metavar="RUN")
    command_line.add_argument("--root", type=Path, default=ROOT, help="where to look for them (default: runs)")
    command_line.add_argument("--all", action="store_true", help="every metric that differs, not only the first")
    arguments = command_line.parse_args(argv)
    try:
        return _diff(arguments)
    except (ValueError, OSError) as error:
        print(printable(f"redo-lab diff: {error}"), file=sys.stderr)
        return 2


def _diff(arguments: argparse.Namespace) -> int:
    from redo_lab.analysis.diff import difference
    from redo_lab.runs.table import run_named

    first, second = (run_named(name, arguments.root) for name in (arguments.first, arguments.second))
    result = difference(first, second)
    lines = [f"< {first}", f"> {second}", *_section("settings", result.settings)]
    lines += _section("code and state", result.code_and_state)
    lines.append(f"metrics: {f'{len(result.metrics)} differ' if result.metrics else 'identical'}")
    shown = result.metrics if arguments.all else result.metrics[:FEW]
    lines += [f"  {line}" for line in shown]
    if len(shown) < len(result.metrics):
        lines.append(f"  … and {len(result.metrics) - len(shown)} more (--all)")
    print(printable("\n".join(lines)))
    return 1 if result.settings or result.metrics else 0


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}: {'the same' if not lines else ''}".rstrip(), *(f"  {line}" for line in lines)]
