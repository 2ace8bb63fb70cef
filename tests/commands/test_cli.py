"""The command as a user meets it: help is instant, verbs are checked, the shell can complete."""

from __future__ import annotations

import subprocess
import sys

import pytest

from redo_lab.cli import VERBS, main


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
        ("redo-lab aggregate x", ""),
    ],
)
def test_the_shell_completes_verbs_groups_and_keys(
    line: str, completions: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert main(["-sc", "query=bash"]) == 0
    found = capsys.readouterr().out.split()
    assert set(completions.split()) <= set(found)
    assert all(word.startswith(line.split(" ")[-1]) for word in found)


def test_the_completion_script_is_for_redo_lab(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-sc", "install=bash"]) == 0
    assert "hydra_bash_completion redo-lab" in capsys.readouterr().out
