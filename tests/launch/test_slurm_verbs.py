"""`hydra/launcher=slurm` as a user asks for it: what is refused on the login node, and with which exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from redo_lab.cli import main
from redo_lab.sweeping.slurm import EXIT_REFUSED
from tests.helpers.submitting import say


def dry(*words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "redo_lab.cli", "train", "-m", "hydra/launcher=slurm", *words]
    done = subprocess.run([*command, "dry_run=true"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_login_node_needs_neither_the_memory_nor_the_gpu(tmp_path: Path, site: Path) -> None:
    code, said = dry(f"root={tmp_path / 'runs'}", "env=minatar/breakout", "device=cuda", "replay.capacity=10000000000")
    assert code == 0, said
    assert "1 runs in 1 jobs" in said or "1 run in 1 job" in said
    assert not (tmp_path / "runs").exists()


def test_replays_that_do_not_fit_the_memory_of_their_job_are_refused(tmp_path: Path, site: Path) -> None:
    words = ["env=atari/pong", "seed=0,1", "scale=paper", "hydra.launcher.mem_gb=12", "hydra.launcher.runs_per_gpu=2"]
    code, said = dry(f"root={tmp_path / 'runs'}", *words)
    assert code == 2
    assert "2 runs go at once in a job: mem_gb=" in said


@pytest.mark.parametrize("verb", [["train", "-m"], ["sweep", "demo_grid"]])
def test_a_refusal_of_slurm_is_told_by_the_verb_that_submitted(
    tmp_path: Path, site: Path, capfd: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    say(site, "sbatch", "", code=1)
    words = ["hydra/launcher=slurm", "env=minatar/breakout", "scale=smoke", "seed=0", f"root={tmp_path / 'runs'}"]
    assert main([*verb, *words]) == EXIT_REFUSED
    assert f"redo-lab {verb[0]}: sbatch refused" in capfd.readouterr().err
