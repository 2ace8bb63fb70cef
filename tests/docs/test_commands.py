"""Every `redo-lab …` in README.md and docs/ is one that redo_lab takes, and a few are run."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from pathlib import Path

import pytest

from hydra_plugins.redo_lab_sweeper.grid import values
from redo_lab.cli import VERBS, main
from redo_lab.commands.mistakes import MISTAKES
from redo_lab.config import InputError
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.paths import USER_CONF
from redo_lab.plan import CheckedRun
from tests.docs.pages import ROOT, Command, commands
from tests.helpers.composing import composed

OWN = ROOT / "examples" / "own_package"


class Parsed(BaseException):
    """The words of a command were taken."""


@pytest.fixture
def _stops_when_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def stopping(self: argparse.ArgumentParser, words: list[str]) -> None:
        parse(self, words)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stopping)


def words_of(command: Command) -> list[str]:
    """Without the name of the program; of alternatives (`a|b`) the first."""
    words = shlex.split(command.text)[1:]
    return [word.partition("|")[0] if word.replace("|", "").isidentifier() else word for word in words]


def named(command: Command) -> str:
    return f"{command.page}: {command.text}"


def with_verb(*verbs: str) -> list[Command]:
    return [command for command in dict.fromkeys(commands()) if set(words_of(command)) & set(verbs)]


def jobs(verb: str, words: list[str]) -> set[tuple[str, ...]]:
    """The first and the last job of the words of `train` or `sweep`."""
    described = SweepFile()
    if verb == "sweep":
        name, *words = words
        described = SweepFile.read(ROOT / "sweeps" / f"{name}.yaml")
    left_out = ("-", "hydra", "dry_run=")
    own = [word for word in words if not word.startswith(left_out) and word != "job" and "interval(" not in word]
    listed = described.jobs(own, values)
    return {tuple(word for word in job if _applies(word, job)) for job in (listed[0], listed[-1])}


def _applies(word: str, job: list[str]) -> bool:
    """Not a key of a method that the job doesn't have: `recyclers.redo.threshold` where there is no ReDo."""
    key = re.match(r"(recycler|regulariser|probe)s\.(\w+)\.", word)
    if key is None:
        return True
    chosen = [other.partition("=")[2] for other in job if other.startswith(f"{key[1]}=")]
    return not chosen or any(key[2] in re.split(r"[\[\],]", names) for names in chosen)


def test_the_commands_of_the_docs_are_read() -> None:
    texts = {command.text for command in commands()}
    assert "redo-lab sweep --list" in texts
    assert "redo-lab sweep fig1" in texts  # in the middle of a line
    assert len(texts) > 60
    assert any(command.refused for command in commands())


def test_every_command_names_a_verb() -> None:
    for command in commands():
        words = words_of(command)
        known = [word for word in words if word in VERBS]
        assert known or words[0].startswith("-"), named(command)


@pytest.mark.usefixtures("_stops_when_parsed")
def test_every_verb_takes_the_words_that_the_docs_give_it() -> None:
    verbs = [verb for verb in VERBS if verb not in ("train", "sweep")]
    shown = [command for command in with_verb(*verbs) if command.shown or len(words_of(command)) > 1]
    assert len(shown) > 25
    for command in shown:
        try:
            with pytest.raises(Parsed):
                main(words_of(command))
        except SystemExit:
            pytest.fail(f"refused: {named(command)}")


@pytest.mark.usefixtures("_modules", "_conf")
def test_every_config_of_the_docs_composes_and_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_CONF, os.environ[USER_CONF] + f":{OWN / 'conf'}")
    monkeypatch.syspath_prepend(str(OWN))
    checked: set[tuple[str, ...]] = set()
    for command in with_verb("train", "sweep"):
        words = words_of(command)
        verb = "train" if "train" in words else "sweep"
        rest = words[words.index(verb) + 1 :]
        if not rest or rest[0] in ("--list", "--help", "--directory") or "mine" in command.text:
            continue
        for job in jobs(verb, rest) - checked:
            try:
                CheckedRun.of(composed(*job)[0])
            except InputError:
                assert "study=distill" in job or "fig8" in command.text, named(command)
            except MISTAKES:
                assert command.refused, named(command)
            else:
                assert not command.refused, named(command)
            checked.add(job)
    assert len(checked) > 20


SHORT = ("logger=none", "threads=1", "checkpoint.every_seconds=60")


@pytest.mark.parametrize("page", ["own_study.md", "own_probe.md", "own_agent.md"])
def test_the_command_of_the_page_on_a_part_of_ones_own_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(OWN)
    monkeypatch.setenv(USER_CONF, "")
    monkeypatch.syspath_prepend(str(OWN))
    (command,) = [command for command in commands() if command.page == page and command.shown]
    assert main([*words_of(command), *SHORT, f"root={tmp_path}"]) == 0
    (status,) = tmp_path.rglob("status.json")
    assert '"finished"' in status.read_text()


@pytest.mark.slow
def test_the_page_on_sweeps_from_its_first_command_to_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before the sweeps of the paper, and what stands after them."""
    monkeypatch.chdir(tmp_path)
    shown = [words_of(command) for command in commands() if command.page == "sweeps.md" and command.shown]
    start, dry, after = shown[0], shown[1], [words for words in shown if words[0] in ("status", "aggregate", "report")]
    assert main(dry) == 0
    assert not list(tmp_path.iterdir())
    assert main([*start, *SHORT]) == 0
    assert len(after) == 3
    assert [main(words) for words in after] == [0, 0, 0]
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
