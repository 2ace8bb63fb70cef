"""`redo-lab report --to wandb`: aggregates, figures and the runs behind them in W&B, online and offline."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redo_lab.cli import main
from redo_lab.config import ConfigError
from redo_lab.dashboards import keys
from redo_lab.dashboards.aggregates import Target, target_of
from redo_lab.dashboards.panels import Clock, PatternLines
from redo_lab.dashboards.views import Scope, dashboard
from redo_lab.runs import wandb_files
from redo_lab.runs.table import load
from tests.helpers.studies import make_grid, make_run
from tests.helpers.wandb_server import Server

ROOT = Path(__file__).parent.parent.parent
KEY = "0123456789abcdef" * 2 + "01234567"
METRICS = ("iqm", "median", "mean", "optimality_gap")


def reported(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The verb on the runs below `root` in a process of its own, as W&B's client leaves one behind."""
    own = {name: value for name, value in os.environ.items() if name not in ("WANDB_MODE", "WANDB_SERVICE")}
    own |= {"WANDB_DATA_DIR": str(root / "data"), "WANDB_CACHE_DIR": str(root / "cache"), **environment}
    page = root / "out" / "report.html"
    command = [sys.executable, "-m", "redo_lab.cli", "report", str(root / "grid"), "-o", str(page)]
    return subprocess.run(
        [*command, "--repetitions", "20", *words], env=own, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs in `grid` and the report's offline run in `out`."""
    root = tmp_path_factory.mktemp("offline")
    make_grid(root / "grid")
    done = reported(root, "--to", "wandb_offline", "--project", "p", WANDB_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert f"W&B: {root / 'out' / 'wandb' / 'offline-run-'}" in done.stdout
    return root


def file_of(root: Path) -> Path:
    (path,) = wandb_files.files(root / "out")
    return path


def summary(root: Path) -> dict[str, Any]:
    items = [item for record in wandb_files.records(file_of(root)) for item in record.summary.update]
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_the_scalars_are_those_of_aggregate_csv(offline: Path) -> None:
    words = [str(offline / "grid"), "--repetitions", "20", "-o", str(offline / "csv")]
    assert main(["aggregate", *words]) == 0
    with (offline / "csv" / "aggregate.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    values = summary(offline)
    assert [row["method"] for row in rows] == ["none", "redo"]
    for row in rows:
        for metric in METRICS:
            for bound in ("", "_low", "_high"):
                assert values[f"aggregate/{metric}/{row['method']}{bound}"] == float(row[f"{metric}{bound}"])


def test_the_table_the_figures_and_the_page_are_there(offline: Path) -> None:
    values, media = summary(offline), file_of(offline).parent / "files"
    assert (values["aggregate/table.nrows"], values["aggregate/table._type"]) == (2, "table-file")
    table = json.loads((media / values["aggregate/table.path"]).read_text())
    assert table["columns"][:2] == ["method", "suite"]
    assert [row[0] for row in table["data"]] == ["none", "redo"]
    for figure in ("iqm", "profiles", "learning_curves"):
        assert (media / values[f"aggregate/figures/{figure}.path"]).read_bytes().startswith(b"\x89PNG")
    page = (media / values["aggregate/report.path"]).read_text()
    assert page == (offline / "out" / "report.html").read_text()


def test_the_runs_behind_the_numbers_are_an_artifact(offline: Path) -> None:
    artifacts = [record.artifact for record in wandb_files.records(file_of(offline)) if record.HasField("artifact")]
    (runs,) = [artifact for artifact in artifacts if artifact.type == "runs"]
    (entry,) = runs.manifest.contents
    with Path(entry.local_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run_id"] for row in rows} == {path.name for path in (offline / "grid").iterdir()}
    assert {(row["method"], row["game"], row["seed"]) for row in rows} == {
        (method, game, seed) for method in ("none", "redo") for game in ("breakout", "pong") for seed in ("0", "1")
    }
    assert all(float(row["final_score"]) > -21 and row["wandb_id"] == "" for row in rows)


def test_the_dashboard_finds_the_aggregates_by_job_type_experiment_and_name(offline: Path) -> None:
    (run,) = [record.run for record in wandb_files.records(file_of(offline)) if record.HasField("run")]
    config = wandb_files.config(file_of(offline))
    assert (run.job_type, run.project, config["run"]) == ("aggregate", "p", {"experiment": "grid"})
    assert config["runs"] == sorted(path.name for path in (offline / "grid").iterdir())
    view = dashboard("me", Scope("p", "grid", (), Clock.updates)).views[-1]
    assert [(each.key, each.value) for each in view.filters] == [("run.experiment", "grid"), ("JobType", "aggregate")]
    patterns = [panel.pattern for panel in view.sections[0].panels if isinstance(panel, PatternLines)]
    assert patterns == [f"^aggregate/{metric}/" for metric in METRICS]
    assert keys.TABLE + ".nrows" in summary(offline)


def test_a_method_with_a_dot_keeps_its_scalars_together() -> None:
    assert keys.scalar("iqm", "redo 0.25") == "aggregate/iqm/redo 0p25"


def test_the_key_is_written_nowhere(offline: Path) -> None:
    files = [path for path in offline.rglob("*") if path.is_file()]
    assert len(files) > 40
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@pytest.fixture
def server() -> Iterator[Server]:
    stand_in = Server()
    yield stand_in
    stand_in.close()


def test_online_a_second_report_goes_on_with_the_run_of_the_first(server: Server, tmp_path: Path) -> None:
    make_grid(tmp_path / "grid", ("redo",), seeds=1)
    words = ("--to", "wandb", "--project", "p")
    for rows in (1, 2):
        done = reported(tmp_path, *words, WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        (run,) = server.history
        assert f"/me/p/runs/{run}" in done.stdout
        assert [row["aggregate/iqm/redo"] for row in server.rows(run)] == [pytest.approx(1.0)] * rows
    kinds = [(artifact["artifactTypeName"], artifact["state"]) for artifact in server.artifacts.values()]
    assert sorted(set(kinds)) == [("run_table", "COMMITTED"), ("runs", "COMMITTED")]
    assert ["runs.csv"] in [artifact["files"] for artifact in server.artifacts.values()]


def test_a_refusal_of_the_server_leaves_the_page_and_says_so(server: Server, tmp_path: Path) -> None:
    make_grid(tmp_path / "grid", ("redo",), seeds=1)
    server.status = 401
    done = reported(tmp_path, "--to", "wandb", "--project", "p", WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
    assert done.returncode == 2
    assert "report.html is written, but W&B says:" in done.stderr
    assert (tmp_path / "out" / "report.html").exists()
    assert KEY not in done.stderr


def logged(root: Path, seed: int, logger: dict[str, Any]) -> None:
    make_run(root, "redo", "pong", seed, [1.0], settings={"study": "online", "logger": logger})


def test_the_aggregates_go_where_the_runs_are(tmp_path: Path) -> None:
    logged(tmp_path, 0, {"project": "mine", "entity": "team"})
    logged(tmp_path, 1, {"project": "mine", "entity": "team"})
    table = load([tmp_path], cache=False)
    assert target_of(table, None, None, offline=True) == Target("team", "mine", True)
    assert target_of(table, "me", None, offline=True) == Target("me", "mine", True)
    assert target_of(table, None, "other", offline=True) == Target(None, "other", True)
    logged(tmp_path, 2, {"project": "yours", "entity": None})
    with pytest.raises(ConfigError, match=r"--project.*yours, team/mine"):
        target_of(load([tmp_path], cache=False), None, None, offline=True)


def test_runs_that_w_and_b_never_had_name_no_project(tmp_path: Path) -> None:
    make_grid(tmp_path)
    with pytest.raises(ConfigError, match=r"--project.*none"):
        target_of(load([tmp_path], cache=False), None, None, offline=True)


def test_without_a_login_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_grid(tmp_path / "grid")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "grid"), "-o", str(page), "--to", "wandb", "--project", "p"]) == 2
    error = capsys.readouterr().err
    assert "wandb login" in error
    assert "--to wandb_offline" in error
    assert not page.exists()


def test_a_project_without_a_place_to_send_to_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "runs", "--project", "p"]) == 2
    assert "--to wandb" in capsys.readouterr().err
