"""Tab completion: `eval "$(redo-lab -sc install=bash)"` turns it on (zsh and fish, too).

Hydra completes the words of `train` and `sweep`, argcomplete the options of the other verbs, and runs by their names.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from redo_lab.paths import take_conf

RUNS = Path("runs")
NAMED = ("sweep", "figure")
"""Verbs whose first word is a name."""


def main(words: Sequence[str], verbs: Mapping[str, tuple[str, str]]) -> int:
    """Answers `-sc install=<shell>` and the queries of the script that it printed."""
    if "query=" not in "".join(words):
        return _hydra(words)
    program, *typed = os.environ.get("COMP_LINE", "").split(" ")
    try:
        line = [program, *take_conf(typed)]
    except ValueError:
        return 0
    if len(line) == 1:
        return 0
    if len(line) == 2:
        print(" ".join(verb for verb in verbs if verb.startswith(line[1])))
        return 0
    of_figure = line[1] == "figure" and line[2].startswith("-")
    if line[1] in NAMED and len(line) == 3 and not of_figure:
        print(" ".join(name for name in _names(line[1]) if name.startswith(line[2])))
        return 0
    if line[1] not in ("train", "sweep"):
        if line[1] in verbs:
            print(" ".join(of_options(verbs[line[1]][0], line)))
        return 0
    chosen = _options(line[-1])
    if chosen:
        print(" ".join(chosen))
        return 0
    os.environ["COMP_LINE"] = " ".join([line[0], *line[3 if line[1] == "sweep" else 2 :]])
    os.environ["COMP_POINT"] = str(len(os.environ["COMP_LINE"]))
    return _hydra(words)


def _names(verb: str) -> list[str]:
    from redo_lab.analysis.recipes import names as figures
    from redo_lab.commands.sweep import names as sweeps

    return sweeps() if verb == "sweep" else figures()


def _options(word: str) -> list[str]:
    """The options of a group that go on from `word`, nested ones too, which Hydra itself doesn't complete."""
    from redo_lab.options import groups, options

    group, equals, start = word.partition("=")
    if group == "experiment":
        return [f"{group}={name}" for name in _experiments() if name.startswith(start)]
    if not equals or group not in groups():
        return []
    return sorted(f"{group}={option}" for option in options(group) if option.startswith(start))


def of_options(module: str, line: Sequence[str]) -> list[str]:
    """What argcomplete says of the words of a verb: its options, their choices, and runs."""
    from argcomplete.completers import BaseCompleter
    from argcomplete.finders import CompletionFinder

    class Runs(BaseCompleter):
        def __call__(
            self,
            *,
            prefix: str,
            action: argparse.Action,
            parser: argparse.ArgumentParser,
            parsed_args: argparse.Namespace,
        ) -> list[str]:
            return _runs(prefix, action, getattr(parsed_args, "root", RUNS))

    answer, typed = io.StringIO(), " ".join(line[1:])
    os.environ |= {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    os.environ |= {"COMP_LINE": typed, "COMP_POINT": str(len(typed.encode()))}
    finder = CompletionFinder()
    finder(_parser(module), exit_method=lambda code: None, output_stream=answer, default_completer=Runs())
    return answer.getvalue().split("\n")


def _parser(module: str) -> argparse.ArgumentParser:
    """The parser that the verb's `main` makes, taken where it would parse."""

    class Asked(Exception):
        """Ends `main`."""

    def stop(parser: argparse.ArgumentParser, *_words: object) -> NoReturn:
        raise Asked(parser)

    parse, argparse.ArgumentParser.parse_args = argparse.ArgumentParser.parse_args, stop  # type: ignore[method-assign, assignment]
    try:
        importlib.import_module(module).main([])
    except Asked as asked:
        (parser,) = asked.args
        assert isinstance(parser, argparse.ArgumentParser)
        return parser
    finally:
        argparse.ArgumentParser.parse_args = parse  # type: ignore[method-assign]
    raise AssertionError(f"{module} parses nothing")


def _runs(prefix: str, action: argparse.Action, root: Path) -> list[str]:
    """Runs by id where one is asked for; experiments, and paths of runs below them, where several may be."""
    if action.metavar == "RUN":
        return [path.parent.name for path in root.glob("*/*/run.json")]
    if action.metavar != "RUNS":
        return []
    names = _experiments()
    inside = [path.parent for name in names if f"{RUNS}/{name}/" in prefix for path in RUNS.glob(f"{name}/*/run.json")]
    return [str(RUNS), *names, *(f"{RUNS}/{name}" for name in names), *map(str, inside)]


def _experiments() -> list[str]:
    """Those that have runs below the runs' root."""
    return sorted({path.parent.parent.name for path in RUNS.glob("*/*/run.json")})


def _hydra(words: Sequence[str]) -> int:
    from redo_lab.commands.train import compose_and_run

    sys.argv = ["redo-lab", *words]
    compose_and_run()
    return 0
