"""W&B holds the numbers of metrics.csv, read back from its offline file."""

from __future__ import annotations

import csv
import json
import math
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from wandb.proto import wandb_internal_pb2

from redo_lab.config import ConfigError, build, parse
from redo_lab.loggers.none import NoLogger
from redo_lab.loggers.wandb import Mode, Wandb, labels
from redo_lab.loggers.wandb.history import earlier_names
from redo_lab.loggers.wandb.labels import group, safe_id, tags
from redo_lab.loggers.wandb.tracker import IDENTITY
from redo_lab.plan import CheckedRun, check_machine
from redo_lab.protocols import Logger
from redo_lab.types import Row
from tests.helpers.composing import composed
from tests.helpers.tracked import Tracked

KEY = "0123456789abcdef" * 2 + "01234567"
CONF = Path(__file__).parent.parent.parent / "conf" / "logger"
AXES = {
    "agent": "dqn",
    "suite": "atari",
    "game": "breakout",
    "replay_ratio": 0.25,
    "recycler": "redo",
    "scale": "smoke",
    "seed": 3,
}
RUN = {
    "run_id": "x",
    "experiment": "e",
    "axes": AXES,
    "env_steps": 300,
    "frames_per_step": 4,
    "identity": "ab12",
    "git": {"commit": "c0ffee", "dirty": False},
    "versions": {"redo_lab": "0.1.0", "torch": "2.13.0"},
}
CONFIG_TREE = {"seed": 3, "agent": {"_target_": "a.B", "learning_rate": 6.25e-5}, "recyclers": {"redo": {"list": [1]}}}
ROWS = [
    Row(100, 25, {"train/loss": 1 / 3, "dormant/total_tau0p1": 12.5, "train/q": -1e-300, "a/float32": np.float32(0.1)}),
    Row(200, 50, {"train/loss": math.nan, "a/up": math.inf, "a/down": -math.inf, "a/tiny": 5e-324, "a/big": 1e308}),
    Row(200, 50, {"evaluation/return": 7.0, "a/minus_zero": -0.0, "a/sum": 0.1 + 0.2}),
]


def node(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def start(name: str, directory: Path, run_id: str = "dqn-breakout-ab12") -> Logger:
    logger = build(node(name), "logger", directory=directory, run={**RUN, "run_id": run_id}, config_tree=CONFIG_TREE)
    assert isinstance(logger, (Wandb, NoLogger))
    return logger


def tracked(directory: Path, run_id: str = "dqn-breakout-ab12", kept: int = 0) -> Tracked:
    """An attempt with W&B offline, which goes on after `kept` moments."""
    return Tracked(directory, start("wandb_offline", directory, run_id), kept)


def records(directory: Path) -> Iterator[wandb_internal_pb2.Record]:
    """The records of the only offline run below `directory`: a LevelDB log after a header of 7 bytes."""
    (path,) = directory.glob("wandb/offline-run-*/run-*.wandb")
    yield from records_of(path)


def records_of(path: Path) -> Iterator[wandb_internal_pb2.Record]:
    data, block, position, payload = path.read_bytes(), 32768, 7, b""
    while position + 7 <= len(data):
        if block - position % block < 7:
            position += block - position % block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        payload += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a full record, or the last piece of one
            yield wandb_internal_pb2.Record.FromString(payload)
            payload = b""


def history(directory: Path) -> list[dict[str, float]]:
    return history_of(records(directory))


def history_of(found: Iterator[wandb_internal_pb2.Record]) -> list[dict[str, float]]:
    rows = []
    for record in found:
        if record.HasField("history"):
            items = {tuple(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            assert all(len(key) == 1 for key in items), "a metric name was split"
            rows.append({key[0]: value for key, value in items.items() if not key[0].startswith("_")})
    return rows


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which ROWS went to both the record and an offline W&B run."""
    directory = tmp_path_factory.mktemp("run")
    attempt = tracked(directory)
    for rows in (ROWS[:2], ROWS[2:]):
        attempt.log(rows)
    attempt.finish("finished")
    return directory


def number(text: str | float) -> str:
    """A float that compares equal when it is NaN too; W&B keeps every bit but the sign of zero."""
    return repr(float(text) + 0.0)


def test_the_offline_file_holds_the_same_numbers_as_metrics_csv(finished: Path) -> None:
    with (finished / "metrics.csv").open(newline="") as file:
        written = [
            (int(r["env_steps"]), int(r["updates"]), r["name"], number(r["value"])) for r in csv.DictReader(file)
        ]
    logged = [
        (row["env_steps"], row["updates"], name, number(value))
        for row in history(finished)
        for name, value in row.items()
        if name not in ("env_steps", "updates", "frames")
    ]
    assert len(written) == sum(len(row.values) for row in ROWS)
    assert sorted(logged) == sorted(written)


def test_each_moment_is_logged_once_with_its_three_clocks(finished: Path) -> None:
    clocks = [(row["env_steps"], row["updates"], row["frames"]) for row in history(finished)]
    assert sorted(set(clocks)) == [(100, 25, 400), (200, 50, 800)]


def test_a_study_without_frames_has_no_such_axis(tmp_path: Path) -> None:
    run = {key: value for key, value in RUN.items() if key != "frames_per_step"}
    logger = build(node("wandb_offline"), "logger", directory=tmp_path, run=run, config_tree={})
    attempt = Tracked(tmp_path, logger)
    attempt.log(ROWS[:1])
    attempt.finish("finished")
    assert [set(row) - set(ROWS[0].values) for row in history(tmp_path)] == [{"env_steps", "updates"}]


def test_every_metric_is_drawn_against_env_steps_and_the_clocks_are_hidden(finished: Path) -> None:
    defined = [record.metric for record in records(finished) if record.HasField("metric")]
    assert {metric.name for metric in defined if metric.options.hidden} == {"env_steps", "updates", "frames"}
    assert [(metric.glob_name, metric.step_metric) for metric in defined if metric.glob_name] == [("*", "env_steps")]


def test_the_run_is_found_by_its_cell_and_its_config(finished: Path) -> None:
    (run,) = [record.run for record in records(finished) if record.HasField("run")]
    assert (run.run_id, run.project, run.entity) == ("e.dqn-breakout-ab12", "redo_lab", "")
    assert run.run_group == "e-dqn-atari-breakout-rr0.25-redo-smoke"
    assert run.display_name == "dqn atari breakout rr0.25 redo smoke s3 (e)"
    assert sorted(run.tags) == ["atari", "breakout", "dqn", "redo", "rr0.25", "smoke"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update if item.key != "_wandb"}
    run = {**{key: RUN[key] for key in IDENTITY if key in RUN}, "run_id": "dqn-breakout-ab12"}
    assert config == {**CONFIG_TREE, "axes": AXES, "run": run}


def test_the_last_value_of_a_dotted_name_is_in_the_summary(finished: Path) -> None:
    summary = {
        tuple(item.nested_key) or (item.key,): json.loads(item.value_json)
        for record in records(finished)
        for item in record.summary.update
    }
    assert summary["dormant/total_tau0p1",] == 12.5
    assert summary["evaluation/return",] == 7.0


@pytest.mark.parametrize(("state", "exit_code"), [("interrupted", 255), ("failed", 1)])
def test_a_run_that_ends_badly_is_marked(
    tmp_path: Path, state: str, exit_code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    attempt = tracked(tmp_path)
    attempt.log(ROWS[:1])
    attempt.finish(state)
    assert [record.exit.exit_code for record in records(tmp_path) if record.HasField("exit")] == [exit_code]
    assert len(history(tmp_path)) == 1
    assert capfd.readouterr() == ("", "")


def test_runs_after_one_another_in_one_process_stay_apart(tmp_path: Path) -> None:
    for run_id, rows in (("first", ROWS[:1]), ("second", ROWS[1:])):
        attempt = tracked(tmp_path / run_id, run_id)
        attempt.log(rows)
        attempt.finish("finished")
    assert [row["env_steps"] for row in history(tmp_path / "first")] == [100]
    assert {row["env_steps"] for row in history(tmp_path / "second")} == {200}


@pytest.fixture
def logged_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.mark.usefixtures("logged_out")
def test_online_without_a_login_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"wandb login.*logger=wandb_offline"):
        Wandb.check_start(parse(node("wandb"), "logger"))
    assert not (tmp_path / "wandb").exists()


@pytest.mark.usefixtures("logged_out")
def test_a_key_in_the_environment_or_in_netrc_is_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost")
    (tmp_path / "netrc").write_text(f"machine localhost login user password {KEY}\n")
    (tmp_path / "netrc").chmod(0o600)
    Wandb.check_start(parse(node("wandb"), "logger"))
    (tmp_path / "netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    Wandb.check_start(parse(node("wandb"), "logger"))


@pytest.mark.usefixtures("logged_out")
def test_a_plan_asks_for_the_login_where_the_run_is_to_start() -> None:
    checked = CheckedRun.of(composed("logger=wandb")[0])
    with pytest.raises(ConfigError, match="wandb login"):
        check_machine(checked)


@pytest.mark.usefixtures("logged_out")
def test_offline_needs_no_login() -> None:
    Wandb.check_start(parse(node("wandb_offline"), "logger"))


@pytest.mark.parametrize("project", ["a/b", "", "x" * 129])
def test_a_project_that_wandb_would_refuse_is_a_config_error(project: str) -> None:
    with pytest.raises(ConfigError, match=r"logger\.project"):
        parse(node("wandb_offline") | {"project": project}, "logger")


@pytest.mark.parametrize(("name", "mode"), [("wandb", Mode.online), ("wandb_offline", Mode.offline)])
def test_the_shipped_configs_differ_in_mode_only(name: str, mode: Mode) -> None:
    assert parse(node(name), "logger") == Wandb.Config(mode=mode, project="redo_lab", entity=None, timeout_seconds=30)


def test_a_wrong_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="mode"):
        parse(node("wandb") | {"mode": "on"}, "logger")


def test_no_logger_writes_nothing(tmp_path: Path) -> None:
    logger = start("none", tmp_path)
    logger.log(ROWS)
    logger.finish("finished")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["none", "wandb"])
def test_training_never_imports_wandb(module: str) -> None:
    code = f"import sys, redo_lab.loggers.{module}; assert 'wandb' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_sender_never_imports_torch() -> None:
    code = "import sys, redo_lab.loggers.wandb.sender; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_seeds_share_a_group_and_any_other_axis_changes_it() -> None:
    assert group(RUN | {"axes": AXES | {"seed": 4}}) == group(RUN)
    others = {
        "agent": "drq",
        "suite": "minatar",
        "game": "pong",
        "replay_ratio": 1,
        "recycler": "none",
        "scale": "paper",
    }
    cells = [RUN, *(RUN | {"axes": AXES | {axis: other}} for axis, other in others.items())]
    cells += [RUN | {"experiment": "f"}, *(RUN | {"changes": {"agent.learning_rate": rate}} for rate in (0.1, 0.01))]
    assert len({group(cell) for cell in cells}) == len({labels.name(cell) for cell in cells}) == 10
    assert "rr1" in tags({"axes": AXES | {"replay_ratio": 1.0}})


def test_tags_are_those_of_any_study() -> None:
    axes = {"data": "digits", "label_noise": 0.5, "width": 2, "augment": True, "schedule": None, "seed": 3}
    assert tags({"axes": axes}) == ["digits", "ln0.5", "w2", "augment=true", "schedule=none"]


def test_a_tag_says_what_there_is_none_of() -> None:
    assert tags({"axes": {"recycler": "none", "regulariser": "none"}}) == ["recycler=none", "regulariser=none"]


def test_a_name_is_that_of_run_json_and_all_that_it_does_not_say() -> None:
    run = RUN | {"name": "dqn breakout rr0.25 redo s3"}
    assert labels.name(run) == "dqn breakout rr0.25 redo s3 (atari, smoke, e)"
    changed = run | {"changes": {"agent.learning_rate": 1e-3, "network.width": 2, "network.activation": "tanh"}}
    assert labels.name(changed) == "dqn breakout rr0.25 redo s3 (lr 0.001, width 2, tanh, atari, smoke, e)"
    assert labels.name(RUN) == "dqn atari breakout rr0.25 redo smoke s3 (e)"
    twice = run | {"axes": {**run["axes"], "network": "minatar", "suite": "minatar"}}
    assert labels.name(twice) == "dqn breakout rr0.25 redo s3 (minatar, smoke, e)"
    assert group(changed) == "e-dqn-atari-breakout-rr0.25-redo-smoke-lr0.001-width2-tanh"
    assert tags(changed)[-3:] == ["lr 0.001", "width 2", "tanh"]


def test_one_run_in_two_experiments_has_two_ids(tmp_path: Path) -> None:
    ids = {labels.run_id(tmp_path, RUN | {"experiment": experiment}) for experiment in ("one", "two")}
    assert len(ids) == 2


def test_a_run_keeps_the_id_that_wandb_has_for_it(finished: Path) -> None:
    assert labels.run_id(finished, RUN | {"experiment": "other"}) == "e.dqn-breakout-ab12"


def test_ids_and_tags_keep_to_the_limits_of_wandb_and_stay_distinct() -> None:
    assert safe_id("dqn-breakout-0.25_ab") == "dqn-breakout-0.25_ab"
    odd = [safe_id(name) for name in ("a/b", "a:b", "a-b", "x" * 200, "x" * 201)]
    assert len(set(odd)) == 5
    assert all(len(name) <= 128 and not set(name) & set(":;,#?/'") for name in odd)
    long = AXES | {"recycler": "+".join(["weight_decay"] * 12), "game": "g" * 100}
    assert all(len(tag) <= 64 for tag in tags(RUN | {"axes": long}))
    assert len(group(RUN | {"axes": long})) <= 128
    assert len(labels.name(RUN | {"axes": long})) <= 128


def test_a_resumed_run_sends_every_row_once(tmp_path: Path) -> None:
    rows = [Row(10 * i, i, {"train/loss": float(i), "train/q": -float(i)}) for i in range(1, 7)]
    first = tracked(tmp_path)
    first.log(rows[:3])
    first.log([Row(40, 4, {"train/loss": 4.0})])  # died in the middle of a moment
    first.finish("preempted")
    second = tracked(tmp_path, kept=1)  # from a checkpoint after the first row
    second.log(rows[1:4])
    second.log(rows[4:])
    second.finish("finished")
    paths = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime)
    sent = [(row["env_steps"], name, row[name]) for path in paths for row in history_of(records_of(path))
            for name in ("train/loss", "train/q") if name in row]  # fmt: skip
    assert sorted(sent) == sorted((row.env_steps, name, value) for row in rows for name, value in row.values.items())
    assert {path.name for path in paths} == {"run-e.dqn-breakout-ab12.wandb"}


def test_online_only_the_rows_that_the_server_has_count_as_sent(tmp_path: Path) -> None:
    rows = [ROWS[0], Row(200, 50, {"train/loss": 2.0}), Row(210, 52, {"train/loss": 2.1})]
    attempt = tracked(tmp_path)
    attempt.log(rows)
    attempt.finish("preempted")
    everything = {(100, 25), (200, 50), (210, 52)}
    assert set(earlier_names(tmp_path, None)) == everything
    assert earlier_names(tmp_path, 3) == {}, "an offline run that was not synced is not on the server"
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    folder.rename(folder.with_name(folder.name.removeprefix("offline-")))
    assert set(earlier_names(tmp_path, 3)) == everything
    assert set(earlier_names(tmp_path, 2)) == {(100, 25), (200, 50)}
    assert set(earlier_names(tmp_path, 1)) == {(100, 25)}
    assert earlier_names(tmp_path, 0) == {}
    # A second attempt from the server's first row on: what the first one had after it never arrived.
    again = tracked(tmp_path, kept=3)
    again.log([Row(300, 75, {"train/loss": 3.0})])
    again.finish("finished")
    (second,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    second.with_name(f"{second.name}.syncstate").write_text('{"starting_step": 1}')
    assert set(earlier_names(tmp_path, 2)) == {(100, 25), (300, 75)}
