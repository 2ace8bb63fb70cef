"""The cache of metrics that were read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.runs import cache
from redo_lab.runs.table import load
from tests.helpers.run_files import HEADER, make_run


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder; every file is worth keeping."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SMALL_BYTES", 0)
    return tmp_path / "cache" / "redo_lab"


def test_the_cache_gives_what_the_file_holds_and_notices_every_change(tmp_path: Path, small: Path) -> None:
    run = make_run(tmp_path / "runs" / "a", HEADER + "10,2,loss,0.5\n10,2,x,0.1\n", seed=1)
    first = load([run]).metrics()
    (kept,) = small.rglob("*.parquet")
    made = kept.stat().st_mtime_ns
    assert load([run]).metrics().equals(first)
    assert load([run]).metrics(["x"])["value"].to_list() == [0.1]
    assert [path.stat().st_mtime_ns for path in small.rglob("*.parquet")] == [made]
    with (run / "metrics.csv").open("a") as file:
        file.write("20,4,loss,0.4\n")
    assert load([run]).metrics(["loss"])["value"].to_list() == [0.5, 0.4]
    # Of the same length, as after a resume.
    (run / "new").write_text(HEADER + "10,2,loss,0.7\n10,2,x,0.1\n20,4,loss,0.4\n")
    (run / "new").replace(run / "metrics.csv")
    assert load([run]).metrics(["loss"])["value"].to_list() == [0.7, 0.4]
    assert len(list(small.rglob("*.parquet"))) == 1


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path: Path, small: Path) -> None:
    small.parent.mkdir()
    small.write_text("in the way")
    run = make_run(tmp_path / "runs" / "a", HEADER + "10,2,loss,0.5\n", seed=1)
    assert load([run]).metrics()["value"].to_list() == [0.5]
