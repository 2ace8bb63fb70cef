"""Paths and settings with letters that a shell or Slurm would take for something else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from redo_lab.config import ConfigError
from redo_lab.launch.slurm import Slurm
from tests.helpers.submitting import accept, begun, config


def test_a_job_reads_its_paths_as_they_are_and_runs_nothing_that_they_say(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(snapshot=True)
    sweep = begun(tmp_path / "a b $(touch run) `touch too`; touch three", 1, settings)
    accept(site, sweep)
    list(Slurm(settings).submit(sweep))
    (site / "srun").write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$PYTHONPATH"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run(["bash", str(site / "sbatch.1")], capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    folder = str(sweep.folder / sweep.id)
    assert words[-7:] == [sys.executable, "-P", "-u", "-m", "submitit.core._submit", folder, f"{folder}/code"]
    assert words[2] == f"{folder}/%j_%t_log.out"
    assert sorted(path.name for path in tmp_path.iterdir()) == [sweep.folder.parent.parent.name, "bin"]


@pytest.mark.parametrize("letter", list("'\"\\%"))
def test_a_path_that_slurm_itself_would_misread_is_refused_before_anything_is_written(
    tmp_path: Path, site: Path, letter: str
) -> None:
    sweep = begun(tmp_path / f"a{letter}b", 1, config())
    with pytest.raises(ConfigError, match="Slurm can't have"):
        list(Slurm(config()).submit(sweep))
    assert not sweep.folder.exists()


@pytest.mark.parametrize(
    "changed",
    [{"partition": "gpu\n#SBATCH --uid=0"}, {"sbatch": {"mail-type": "a\nrm"}}, {"sbatch": {"wrap\nrm": 1}}],
    ids=["partition", "value", "option"],
)
def test_a_setting_starts_no_line_of_its_own(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"control characters|is no option of sbatch"):
        config(**changed)
