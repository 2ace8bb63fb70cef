"""A whole run of `redo-lab train logger=wandb`, with W&B's own client and a stand-in for its server."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from redo_lab.commands.train import main
from tests.helpers.wandb_server import Server, serving

KEY = "fedcba9876543210" * 2 + "fedcba98"
WORDS = ["env=minatar/breakout", "scale=smoke", "replay_ratio=1", "threads=1", "logger=wandb"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    yield from serving(monkeypatch, KEY)


def test_the_server_has_every_number_and_no_file_of_the_run_has_the_key(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, f"root={tmp_path}"]) == 0
    (directory,) = {path.parent for path in tmp_path.rglob("run.json")}
    with (directory / "metrics.csv").open() as file:
        measured = {
            (row["env_steps"], row["updates"], row["name"], float(row["value"])) for row in csv.DictReader(file)
        }
    clocks = {"env_steps", "updates", "frames"}
    (run_id,) = server.history
    on_server = {
        (str(row["env_steps"]), str(row["updates"]), name, value)
        for row in server.rows(run_id)
        for name, value in row.items()
        if not name.startswith("_") and name not in clocks
    }
    assert len(measured) > 20
    assert on_server == measured
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.yaml", "run.json", "status.json", "log.txt", "metrics.csv"} < {path.name for path in files}
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    printed = capfd.readouterr()
    assert KEY not in printed.out + printed.err
