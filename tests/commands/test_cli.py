"""The command as a user meets it: help is instant, verbs are checked, the shell can complete."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from argcomplete.finders import CompletionFinder

import redo_lab
from redo_lab.cli import VERBS, main
from redo_lab.commands import complete, train


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of a completion end with the test, and so does argcomplete's hold of descriptor 9."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(CompletionFinder, "_init_debug_stream", lambda finder: None)


@pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_never_imports_torch(words: list[str]) -> None:
    code = (
        "import sys; from redo_lab.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "redo-lab" in done.stdout


def test_no_words_print_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in VERBS)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"redo-lab {redo_lab.__version__}\n"
    assert redo_lab.__version__ == metadata.version("redo_lab")


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"train", "sweep"}))
@pytest.mark.usefixtures("shell")
def test_the_options_of_every_verb_can_be_completed(verb: str) -> None:
    assert "--help" in complete.of_options(VERBS[verb][0], ["redo-lab", verb, "--h"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["train", "seed=3", "force=true"], "redo-lab train seed=3"),
        (["train", "-m", "seed=range(2)"], "redo-lab train -m 'seed=range(2)'"),
        (["sweep", "fig1", "scale=laptop"], "redo-lab sweep fig1 scale=laptop"),
    ],
)
def test_after_ctrl_c_a_line_says_how_to_go_on(
    words: list[str], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "compose", lambda *words: 130)
    assert main(words) == 130
    assert capsys.readouterr().err == f"stopped by Ctrl-C; to go on from the last checkpoint: {line}\n"
    monkeypatch.setattr(train, "compose", lambda *words: 1)
    assert main(words) == 1
    assert capsys.readouterr().err == ""


def test_ctrl_c_before_anything_has_started_prints_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "compose", interrupted)
    assert main(["train"]) == 130
    assert capsys.readouterr().err == "redo-lab train: stopped by Ctrl-C\n"


def test_an_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == "redo-lab: no verb 'trian': did you mean 'train'?\n"


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("redo-lab tr", "train"),
        ("redo-lab train recycler=red", "recycler=redo"),
        ("redo-lab train env=minatar/s", "env=minatar/seaquest env=minatar/space_invaders"),
        ("redo-lab train agent.learning", "agent.learning_rate="),
        ("redo-lab sweep fig10_d", "fig10_dqn fig10_drq"),
        ("redo-lab sweep fig1 recycler=red", "recycler=redo"),
        ("redo-lab figure eff", "efficiency"),
        ("redo-lab sweep --", ""),
        ("redo-lab figure --", "--list --format --smooth"),
        ("redo-lab figure fig1 --sm", "--smooth"),
        ("redo-lab aggregate x", ""),
        ("redo-lab status --st", "--state"),
        ("redo-lab status --state fin", "finished"),
        ("redo-lab aggregate --interval ", "rao-wu rliable"),
        ("redo-lab aggregate o", "one"),
        ("redo-lab status runs/", "runs/one runs/two"),
        ("redo-lab report runs/one/", "runs/one/dqn-pong-s0-abc"),
        ("redo-lab logs dqn", "dqn-pong-s0-abc dqn-qbert-s1-def"),
        ("redo-lab diff dqn-pong-s0-abc dqn-q", "dqn-qbert-s1-def"),
        ("redo-lab train experiment=t", "experiment=two"),
    ],
)
@pytest.mark.usefixtures("shell")
def test_the_shell_completes_verbs_groups_keys_options_and_runs(
    line: str, completions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in ("one/dqn-pong-s0-abc", "two/dqn-qbert-s1-def"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "run.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert main(["-sc", "query=bash"]) == 0
    found = capsys.readouterr().out.split()
    assert set(completions.split()) <= set(found)
    assert all(word.startswith(line.split(" ")[-1]) for word in found)


def test_the_completion_script_is_for_redo_lab(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-sc", "install=bash"]) == 0
    assert "hydra_bash_completion redo-lab" in capsys.readouterr().out
