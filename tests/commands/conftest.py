"""Where the verbs are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.launched import slurm_says


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without runs and a Slurm that knows no job."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", slurm_says(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
