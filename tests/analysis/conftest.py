"""The report that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.cli import main
from tests.helpers.studies import make_grid, make_run


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 2 methods × 2 games × 2 seeds, beside its runs; one name is hostile."""
    root = tmp_path_factory.mktemp("report")
    make_grid(root / "runs")
    make_run(root / "runs", "</script><b>", "breakout", 0, [1.0] * 10, state="failed", error="<i>no</i>")
    words = ["report", str(root / "runs"), "-o", str(root / "report.html"), "--repetitions", "50", "--allow-missing"]
    assert main([*words, "--where", "recycler!='</script><b>'", "--title", "<b>A & B</b>"]) == 0
    return root / "report.html"
