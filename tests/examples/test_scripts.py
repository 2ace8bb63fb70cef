"""Every script in examples/ runs as it stands, in an empty folder, and prints what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

FOLDER = Path(__file__).parent.parent.parent / "examples"
OUTPUTS = {
    "compare_two_methods.py": [r"\n *method .*IQM", r"none +\d+ ", r"redo +\d+ "],
    "load_and_play.py": [r"trained for 600 agent steps, \d+ updates", r"conv: \d+\.\d % dormant", r"returns: \[\d.*\]"],
    "metrics_in_polars.py": [
        r"dqn breakout rr1 none s0 finished",
        r"dqn breakout rr1 redo s0 finished",
        r"training/return",
        r"updates +┆ none +┆ redo",
    ],
    "redo_in_your_loop.py": [r"step 2000: loss 0\.\d+, \d+\.\d % dormant, \d+ neurons recycled"],
}


def test_every_script_is_run() -> None:
    assert {path.name for path in FOLDER.glob("*.py")} == set(OUTPUTS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_cell_of_code_is_explained_by_the_text_before_it(name: str) -> None:
    kinds = re.findall(r"^# %%(.*)$", (FOLDER / name).read_text(), re.MULTILINE)
    assert kinds == [" [markdown]", ""] * (len(kinds) // 2)
    assert len(kinds) >= 4


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_script_runs_and_prints_what_it_promises(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent), "MPLBACKEND": "Agg", "PYTHONWARNINGS": "error"}
    script = [sys.executable, str(FOLDER / name)]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for pattern in OUTPUTS[name]:
        assert re.search(pattern, done.stdout), (pattern, done.stdout)
    if name == "compare_two_methods.py":
        assert pl.read_csv(tmp_path / "runs" / "comparison" / "aggregate.csv")["method"].to_list() == ["none", "redo"]
    if name == "metrics_in_polars.py":
        assert (tmp_path / "metrics.png").stat().st_size > 10_000
