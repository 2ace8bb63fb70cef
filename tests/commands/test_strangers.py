"""Somebody else's run directory: reading it imports nothing that it names, and carrying it on needs a word of trust."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.config import ConfigError
from redo_lab.options import check_targets
from redo_lab.paths import USER_CONF
from redo_lab.runs import status
from redo_lab.runs.status import State
from tests.helpers.launched import set_status
from tests.helpers.studies import make_run

PLANTED = "planted_in_a_run"
TARGET = f"{PLANTED}.Part"
PARTS = ("study", "logger", "agent", "network", "env", "replay", "evaluation")
READING = {
    "status": ["status", "runs"],
    "status as JSON": ["status", "runs", "--json"],
    "runs": ["runs", "runs"],
    "metrics": ["runs", "runs", "--metric", "all"],
    "aggregate": ["aggregate", "runs", "--repetitions", "20", "-o", "out"],
    "figure": ["figure", "learning_curves", "runs", "--repetitions", "20", "--format", "png", "-o", "out"],
    "report": ["report", "runs", "--repetitions", "20", "-o", "out.html"],
    "diff": ["diff", "redo-pong-0", "redo-pong-1"],
    "errors": ["errors", "runs"],
    "logs": ["logs", "redo-pong-0"],
    "wait": ["wait", "runs"],
    "cancel": ["cancel", "runs"],
}


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once the planted module has been imported, which Python could do."""
    mark = tmp_path / "imported"
    (tmp_path / f"{PLANTED}.py").write_text(
        f"from pathlib import Path\nPath({str(mark)!r}).touch()\nclass Part:\n    class Config: ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, PLANTED, raising=False)
    monkeypatch.delenv(USER_CONF, raising=False)
    monkeypatch.chdir(tmp_path)
    return mark


@pytest.fixture
def planted(imported: Path) -> Path:
    """Two runs whose every part is of the planted module; returns the first."""
    settings = {part: {"_target_": TARGET} for part in PARTS} | {
        name: {"theirs": {"_target_": TARGET}} for name in ("recyclers", "probes", "regularisers")
    }
    for seed in range(2):
        directory = make_run(Path("runs"), "redo", "pong", seed, [1.0, 2.0], settings=settings)
        run = json.loads((directory / "run.json").read_text())
        run |= {"study": TARGET, "_target_": TARGET, "clocks": {"env_steps": "agent steps"}}
        (directory / "run.json").write_text(json.dumps(run))
        complete = status.blank(1000, "agent steps")
        status.write(directory, replace(complete, state=State.FINISHED, done=1000))
        (directory / "attempts.jsonl").write_text(json.dumps({"_target_": TARGET, "changed": {"_target_": TARGET}}))
    return Path("runs/redo-pong-0")


def test_the_planted_module_can_be_imported(imported: Path) -> None:
    """Without this the others would prove nothing."""
    importlib.import_module(PLANTED)
    assert imported.exists()


@pytest.mark.parametrize("words", READING.values(), ids=READING)
@pytest.mark.usefixtures("planted")
def test_reading_imports_nothing_that_a_run_names(imported: Path, words: list[str]) -> None:
    assert main(words) in (0, 1)
    assert not imported.exists()
    assert PLANTED not in sys.modules


@pytest.mark.parametrize("words", [["train", "--directory", "runs/redo-pong-0"], ["retry", "runs"]], ids=lambda w: w[0])
def test_carrying_on_a_run_of_unnamed_classes_is_refused_before_they_are_imported(
    imported: Path, planted: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    for directory in Path("runs").iterdir():
        set_status(directory, state=State.FAILED)
    assert main(words) == 2
    message = capsys.readouterr().err
    assert f"study: {TARGET} is of no package that you have named" in message
    assert "--conf FOLDER" in message
    assert not imported.exists()


def test_a_package_that_the_users_own_files_name_is_taken(
    imported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = imported.parent / "conf" / "agent"
    conf.mkdir(parents=True)
    (conf / "theirs.yaml").write_text(f"agent:\n  _target_: {TARGET}\n")
    monkeypatch.setenv(USER_CONF, str(conf.parent))
    assert main(["train", "env=minatar/breakout", f"agent._target_={TARGET}", "root=own"]) == 2
    assert "of no package" not in capsys.readouterr().err
    assert imported.exists()


@pytest.mark.parametrize("target", ["os.system", "redo_lab_too.x.Part", ".redo_lab.Part", "tests.x.Part"])
@pytest.mark.parametrize("place", [{}, {"a": 0}, {"a": 0, "b": 1}], ids=["root", "node", "list"])
def test_a_class_of_an_unnamed_package_is_seen_wherever_it_stands(
    target: str, place: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(USER_CONF, raising=False)
    node: object = {"_target_": target}
    for name, kind in reversed(place.items()):
        node = {name: [node] if kind else node}
    with pytest.raises(ConfigError, match="is of no package that you have named"):
        check_targets(node)


def test_classes_of_redo_lab_need_no_word_of_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(USER_CONF, raising=False)
    check_targets({"recyclers": {"redo": {"_target_": "redo_lab.recyclers.redo.ReDo"}}, "seed": 1, "_target_": None})


def test_a_word_on_the_command_line_needs_it_too(
    imported: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is started by hand could not be resumed otherwise."""
    assert main(["train", "env=minatar/breakout", f"agent._target_={TARGET}", "root=own"]) == 2
    assert f"agent: {TARGET} is of no package" in capsys.readouterr().err
    assert not imported.exists()
    assert not Path("own").exists()
