"""The runs that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.teachers import teacher


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With fig8_teachers: a teacher and a source of the seed 0."""
    folder = tmp_path_factory.mktemp("runs")
    teacher(folder)
    teacher(folder, "replay_ratio=1", "training.iterations=1")
    return folder
