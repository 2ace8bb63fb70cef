"""`redo-lab dashboard`: what it asks W&B for, and that a second call renews it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redo_lab.cli import main
from redo_lab.dashboards.panels import AXES, Clock, Lines, PatternLines
from redo_lab.dashboards.views import Scope, View, dashboard
from tests.attempt.test_resume import COMMON, PROBES
from tests.helpers.composing import planned
from tests.helpers.wandb_server import Server

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "dashboard.json"
KEY = "0123456789abcdef" * 2 + "01234567"
WHOLE = Scope("redo_lab", None, (), Clock.env_steps)
UNDRAWN = re.compile(
    r"values/|train/q_mean|evaluation/(games|length_mean|return_std)|overlap/(?!total)|norms/(?!total).*_(?!feature)"
)
"""Metrics without a panel: spreads, counts and details of what is drawn."""


def views(scope: Scope = WHOLE) -> dict[str, View]:
    return {view.name.partition(": ")[2]: view for view in dashboard("me", scope).views}


def test_the_specification_is_golden(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["dashboard", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / GOLDEN.name).write_text(printed)
    assert json.loads(printed) == json.loads(GOLDEN.read_text()), f"cp {tmp_path / GOLDEN.name} {GOLDEN}"


def test_a_dry_run_loads_nothing_heavy_and_reaches_for_no_network() -> None:
    code = (
        "import socket, sys; socket.socket.connect = None\n"
        "from redo_lab.cli import main; assert main(['dashboard', '--dry-run']) == 0\n"
        "heavy = {'torch', 'wandb', 'wandb_workspaces', 'polars', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_every_metric_of_a_run_has_a_panel(tmp_path: Path) -> None:
    words = ["env=minatar/breakout", "replay_ratio=1", "recycler=redo", "regulariser=l2_init", *COMMON, PROBES]
    assert main(["train", *words, f"root={tmp_path}"]) == 0
    (metrics,) = tmp_path.rglob("metrics.csv")
    logged = {line.split(",")[2] for line in metrics.read_text().splitlines()[1:]}
    panels = [panel for section in views()["overview"].sections for panel in section.panels]
    exact = {name for panel in panels if isinstance(panel, Lines) for name in panel.metrics}
    patterns = [re.compile(panel.pattern) for panel in panels if isinstance(panel, PatternLines)]
    drawn = {name for name in logged if name in exact or any(pattern.search(name) for pattern in patterns)}
    assert {name for name in logged - drawn if not UNDRAWN.match(name)} == set()
    idle = {pattern.pattern for pattern in patterns if not any(pattern.search(name) for name in logged)}
    assert idle == {"/reset_layers$", "/pruned_total$"}, "a panel that no run fills"


def test_the_table_of_runs_has_every_axis_of_a_run() -> None:
    assert set(AXES) == set(planned("env=minatar/breakout", "scale=smoke").run["axes"]) - {"suite"}


def test_the_views_choose_and_group_their_runs() -> None:
    by_name = views(Scope("p", "fig10", ("pong", "qbert"), Clock.frames))
    assert set(by_name) == {
        *("overview", "methods at RR 1", "replay-ratio scaling", "per game", "one study", "aggregates")
    }
    one = by_name["methods at RR 1"]
    assert [(each.key, each.comparison, each.value) for each in one.filters] == [
        ("run.experiment", "=", "fig10"),
        ("axes.game", "IN", ["pong", "qbert"]),
        ("JobType", "!=", "aggregate"),
        ("axes.replay_ratio", "=", 1),
    ]
    assert one.grouping == ("axes.recycler",)
    assert by_name["per game"].grouping == ("axes.game", "axes.recycler", "axes.replay_ratio")
    assert by_name["one study"].grouping == ()
    assert views()["one study"].grouping == ("run.experiment",)
    assert by_name["overview"].sections[1].panels[0].over == "frames"  # type: ignore[union-attr]


def test_no_two_panels_of_a_view_are_one() -> None:
    for view in views().values():
        names = [(section.name, panel.title) for section in view.sections for panel in section.panels]
        assert len(set(names)) == len(names), view.name


def test_each_experiment_has_pages_of_its_own() -> None:
    keys = [view.key for scope in (WHOLE, replace(WHOLE, experiment="fig10")) for view in views(scope).values()]
    assert len(set(keys)) == 2 * len(views())


@pytest.fixture
def server() -> Iterator[Server]:
    stand_in = Server()
    yield stand_in
    stand_in.close()


def published(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """The verb in a process of its own, as W&B's client leaves one behind."""
    unset = ("WANDB_MODE", "WANDB_SERVICE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
    command = [sys.executable, "-m", "redo_lab.cli", "dashboard", "--entity", "me", "--project", "p", *words]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_second_call_renews_the_views_and_the_report_of_the_first(server: Server) -> None:
    first = published(server)
    assert first.returncode == 0, first.stderr
    made = {identity: dict(view) for identity, view in server.views.items()}
    assert [view["displayName"] for view in made.values()] == [
        *(f"redo_lab: {name}" for name in views()),
        "redo_lab: report",
    ]
    again = published(server)
    assert again.stdout == first.stdout
    assert {identity: view["name"] for identity, view in server.views.items() if view["type"] == "project-view"} == {
        identity: view["name"] for identity, view in made.items() if view["type"] == "project-view"
    }
    assert len(server.views) == len(made)
    assert [specification(view) for view in server.views.values()] == [specification(view) for view in made.values()]
    assert KEY not in first.stdout + first.stderr + json.dumps(server.views)


def specification(view: dict[str, Any]) -> Any:
    return json.loads(view["spec"])


def test_what_reaches_the_server_is_what_was_specified(server: Server) -> None:
    assert published(server, "--games", "pong").returncode == 0
    scaling, report = (
        next(view for view in server.views.values() if view["displayName"] == f"redo_lab: {name}")
        for name in ("replay-ratio scaling", "report")
    )
    section = specification(scaling)["section"]
    (runs,) = section["runSets"]
    assert [key["name"] for key in runs["grouping"]] == ["axes.value.recycler", "axes.value.replay_ratio"]
    assert {each["key"]["name"]: each["value"] for each in runs["filters"]["filters"]} == {
        "axes.game": ["pong"],
        "jobType": "aggregate",
    }
    assert "config:axes.value.recycler" in runs["runFeed"]["columnOrder"]
    sections = {each["name"]: each["panels"] for each in section["panelBankConfig"]["sections"]}
    assert list(sections) == ["By replay ratio", "Return", "Dormancy"]
    curve, dormant = sections["Return"][0]["config"], sections["Dormancy"][0]["config"]
    assert (curve["xAxis"], curve["metrics"]) == ("updates", ["evaluation/return_mean"])
    assert (curve["groupAgg"], curve["groupArea"]) == ("mean", "stderr")
    assert (dormant["metricRegex"], dormant["useMetricRegex"]) == ("^dormant/total_tau", True)
    text = report["spec"]
    assert all(heading in text for heading in ("Aggregate", "Return", "Interventions", "redo_lab: pong"))


def test_without_an_entity_nothing_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard"]) == 2
    assert "--entity" in capsys.readouterr().err


def test_without_a_login_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert main(["dashboard", "--entity", "me"]) == 2
    assert "wandb login" in capsys.readouterr().err


def test_a_refusal_of_the_server_is_one_line(server: Server) -> None:
    server.status = 401
    refused = published(server)
    assert refused.returncode == 2
    assert "redo-lab dashboard: W&B says:" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert KEY not in refused.stderr
