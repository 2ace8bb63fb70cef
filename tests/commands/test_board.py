"""`redo-lab board`: W&B's terminal viewer gets all runs below a folder as one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.launch import wandb_board
from redo_lab.launch.wandb_board import board_files, gathered
from tests.loggers.test_wandb import ROWS, tracked


def two_runs(root: Path) -> None:
    for name in ("a", "b"):
        attempt = tracked(root / name, run_id=name)
        attempt.log(ROWS)
        attempt.finish("finished")


def test_the_viewer_reads_every_run_in_the_folder_it_gets(tmp_path: Path) -> None:
    two_runs(tmp_path)
    links_to = board_files(tmp_path)
    with gathered(links_to) as folder:
        links = sorted(folder.iterdir())
        assert sorted(link.name.rpartition("-e.")[2] for link in links) == ["a", "b"]
        command = [*wandb_board.COMMAND, "inspect", "--summary", "--json", str(links[0])]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["summary"]["evaluation/return"] == 7.0
    with gathered([links_to[0]] * 2) as folder:
        assert len(list(folder.iterdir())) == 2
    assert not folder.exists()
    assert len(board_files(tmp_path)) == 2, "what the links pointed at is still there"


def test_the_viewer_runs_offline_and_its_exit_code_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    two_runs(tmp_path)
    code = "import os, sys; print(os.environ['WANDB_MODE'], len(os.listdir(sys.argv[1]))); sys.exit(5)"
    monkeypatch.setattr(wandb_board, "COMMAND", (sys.executable, "-c", code))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["board", str(tmp_path), "--newest", "1"]) == 5
    assert capfd.readouterr().out == "offline 1\n"


def test_mistakes_and_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", str(tmp_path)]) == 2
    assert "holds no W&B runs" in capsys.readouterr().err
    two_runs(tmp_path)
    assert main(["board", str(tmp_path), "--list"]) == 0
    listed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert listed == board_files(tmp_path)
    assert main(["board", str(tmp_path)]) == 2
    assert "no terminal" in capsys.readouterr().err
