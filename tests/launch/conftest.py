"""A site with Slurm that several tests submit to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.submitting import say


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Slurm's commands; they know no limits until a test says so."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    say(folder, "scontrol", "MaxArraySize            = 1001")
    say(folder, "srun", "")
    say(folder, "sacctmgr", "", code=1)
    say(folder, "squeue", "")
    return folder
