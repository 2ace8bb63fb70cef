"""W&B holds the numbers of metrics.csv, read back from its offline file."""

from __future__ import annotations

import csv
import json
import math
import os
import pty
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
from redo_lab.loggers.wandb import IDENTITY, Mode, Wandb, cell, known, tags, wandb_id
from redo_lab.runs.record import Record
from redo_lab.types import Logger, Row

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
    logger = build(
        node(name), "logger", directory=directory, run={**RUN, "run_id": run_id}, config_tree=CONFIG_TREE, frame_skip=4
    )
    assert isinstance(logger, (Wandb, NoLogger))
    return logger


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
    record = Record.create(directory, "", {})
    logger = start("wandb_offline", directory)
    for rows in (ROWS[:2], ROWS[2:]):
        record.append(rows)
        logger.log(rows)
    record.close()
    logger.finish("finished")
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


def test_each_row_is_logged_once_with_its_three_clocks(finished: Path) -> None:
    clocks = [(row["env_steps"], row["updates"], row["frames"]) for row in history(finished)]
    assert clocks == [(100, 25, 400), (200, 50, 800), (200, 50, 800)]


def test_every_metric_is_drawn_against_env_steps_and_the_clocks_are_hidden(finished: Path) -> None:
    defined = [record.metric for record in records(finished) if record.HasField("metric")]
    assert {metric.name for metric in defined if metric.options.hidden} == {"env_steps", "updates", "frames"}
    assert [(metric.glob_name, metric.step_metric) for metric in defined if metric.glob_name] == [("*", "env_steps")]


def test_the_run_is_found_by_its_cell_and_its_config(finished: Path) -> None:
    (run,) = [record.run for record in records(finished) if record.HasField("run")]
    assert (run.run_id, run.project, run.entity) == ("dqn-breakout-ab12", "redo_lab", "")
    assert run.run_group == "dqn-atari-breakout-rr0.25-redo-smoke"
    assert run.display_name == "dqn-atari-breakout-rr0.25-redo-smoke-seed3"
    assert run.job_type == "redo"
    assert sorted(run.tags) == ["atari", "breakout", "dqn", "redo", "rr0.25", "smoke"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update if item.key != "_wandb"}
    run = {**{key: RUN.get(key) for key in IDENTITY}, "run_id": "dqn-breakout-ab12"}
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
    logger = start("wandb_offline", tmp_path)
    logger.log(ROWS[:1])
    logger.finish(state)
    assert [record.exit.exit_code for record in records(tmp_path) if record.HasField("exit")] == [exit_code]
    assert len(history(tmp_path)) == 1
    assert capfd.readouterr() == ("", "")


def test_runs_after_one_another_in_one_process_stay_apart(tmp_path: Path) -> None:
    for run_id, rows in (("first", ROWS[:1]), ("second", ROWS[1:])):
        logger = start("wandb_offline", tmp_path / run_id, run_id)
        logger.log(rows)
        logger.finish("finished")
    assert len(history(tmp_path / "first")) == 1
    assert len(history(tmp_path / "second")) == 2


@pytest.fixture
def logged_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.mark.usefixtures("logged_out")
def test_online_without_a_login_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"wandb login.*logger=wandb_offline"):
        start("wandb", tmp_path)
    assert not (tmp_path / "wandb").exists()


@pytest.mark.usefixtures("logged_out")
def test_online_without_a_login_asks_nothing_on_a_terminal(tmp_path: Path) -> None:
    code = (
        "import pathlib; from redo_lab.loggers.wandb import Mode, Wandb;"
        f"Wandb(Wandb.Config(Mode.online, 'p', None), directory=pathlib.Path({str(tmp_path)!r}),"
        f" run={RUN!r}, config_tree={{}}, frame_skip=4)"
    )
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, check=False, timeout=10
        )
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "not logged in" in shown
    assert "choice" not in shown


def test_a_mistake_that_wandb_refuses_is_a_config_error(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"run": RUN, "config_tree": {}, "frame_skip": 4}
    with pytest.raises(ConfigError, match="project"):
        build(node("wandb_offline") | {"project": "a/b"}, "logger", directory=tmp_path, **parts)


@pytest.mark.parametrize(("name", "mode"), [("wandb", Mode.online), ("wandb_offline", Mode.offline)])
def test_the_shipped_configs_differ_in_mode_only(name: str, mode: Mode) -> None:
    assert parse(node(name), "logger") == Wandb.Config(mode=mode, project="redo_lab", entity=None)


def test_a_wrong_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="mode"):
        parse(node("wandb") | {"mode": "on"}, "logger")


def test_no_logger_writes_nothing(tmp_path: Path) -> None:
    logger = start("none", tmp_path)
    logger.log(ROWS)
    logger.finish("finished")
    assert list(tmp_path.iterdir()) == []


def test_without_a_tracker_wandb_is_not_imported() -> None:
    code = "import sys, redo_lab.loggers.none; assert 'wandb' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_seeds_share_a_cell_and_any_other_axis_changes_it() -> None:
    assert cell(AXES | {"seed": 4}) == cell(AXES)
    others = {
        "agent": "drq",
        "suite": "minatar",
        "game": "pong",
        "replay_ratio": 1,
        "recycler": "none",
        "scale": "paper",
    }
    assert len({cell(AXES), *(cell(AXES | {axis: other}) for axis, other in others.items())}) == 7
    assert "rr1" in tags(AXES | {"replay_ratio": 1.0})


def test_ids_and_tags_keep_to_the_limits_of_wandb_and_stay_distinct() -> None:
    assert wandb_id("dqn-breakout-0.25_ab") == "dqn-breakout-0.25_ab"
    odd = [wandb_id(name) for name in ("a/b", "a:b", "a-b", "x" * 200, "x" * 201)]
    assert len(set(odd)) == 5
    assert all(len(name) <= 128 and not set(name) & set(":;,#?/'") for name in odd)
    long = AXES | {"recycler": "+".join(["weight_decay"] * 12), "game": "g" * 100}
    assert all(len(tag) <= 64 for tag in tags(long))
    assert len(cell(long)) <= 128


def test_a_resumed_run_sends_every_row_once(tmp_path: Path) -> None:
    rows = [Row(10 * i, i, {"train/loss": float(i), "train/q": -float(i)}) for i in range(1, 7)]
    first = start("wandb_offline", tmp_path)
    first.log(rows[:3])
    first.log([Row(40, 4, {"train/loss": 4.0})])  # died in the middle of a moment
    first.finish("preempted")
    second = start("wandb_offline", tmp_path)  # from a checkpoint after the first row
    second.log(rows[1:4])
    second.log(rows[4:])
    second.finish("finished")
    paths = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime)
    sent = [(row["env_steps"], name, row[name]) for path in paths for row in history_of(records_of(path))
            for name in ("train/loss", "train/q") if name in row]  # fmt: skip
    assert sorted(sent) == sorted((row.env_steps, name, value) for row in rows for name, value in row.values.items())
    assert {path.name for path in paths} == {"run-dqn-breakout-ab12.wandb"}


DIES = """
import logging, os, signal, sys, time
from pathlib import Path
from tests.loggers.test_wandb import ROWS, start
from redo_lab.runs.record import Record
logging.basicConfig(level=logging.WARNING, format="%(message)s")
directory = Path(sys.argv[1])
record, logger = Record.create(directory, "", {}), start("wandb_offline", directory)
def both(rows):
    record.append(rows)
    logger.log(rows)
both(ROWS[:1])
time.sleep(1)
for entry in Path("/proc").glob("[0-9]*/stat"):
    text = entry.read_text()
    if "wandb" in text.partition(")")[0] and int(text.rpartition(")")[2].split()[1]) == os.getpid():
        os.kill(int(entry.parent.name), signal.SIGKILL)
        killed = True
assert killed
time.sleep(0.5)
for row in ROWS[1:]:
    time.sleep(0.2)
    both([row])
logger.finish("preempted")
print("went on")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_a_run_outlives_wandbs_process_and_its_next_attempt_sends_what_is_missing(tmp_path: Path) -> None:
    """Slurm sends SIGTERM to every process of a job, W&B's too."""
    here = Path(__file__).parent.parent.parent
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path)], cwd=here, env=alone, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("went on\n"), done.stderr
    assert done.stderr.count("W&B gets nothing more until this run is started again") == 1
    again = start("wandb_offline", tmp_path)
    again.log([Row(300, 75, {"train/loss": 3.0})])
    again.finish("finished")
    sent = [
        (row["env_steps"], name, number(row[name]))
        for path in tmp_path.glob("wandb/offline-run-*/run-*.wandb")
        for row in history_of(records_of(path))
        for name in row
        if name not in ("env_steps", "updates", "frames")
    ]
    all_rows = [*ROWS, Row(300, 75, {"train/loss": 3.0})]
    assert sorted(sent) == sorted(
        (row.env_steps, name, number(value)) for row in all_rows for name, value in row.values.items()
    )


def test_online_only_the_rows_that_the_server_has_count_as_sent(tmp_path: Path) -> None:
    logger = start("wandb_offline", tmp_path)
    for row in ROWS:
        logger.log([row])
    logger.finish("preempted")
    assert set(known(tmp_path, None)) == {(100, 25), (200, 50)}
    assert "evaluation/return" in known(tmp_path, 3)[200, 50]
    assert "evaluation/return" not in known(tmp_path, 2)[200, 50]
    assert set(known(tmp_path, 1)) == {(100, 25)}
    assert known(tmp_path, 0) == {}
    # A second attempt from the server's first row on: what the first one had after it never arrived.
    again = start("wandb_offline", tmp_path)
    again.log([Row(300, 75, {"train/loss": 3.0})])
    again.finish("finished")
    assert set(known(tmp_path, 3)) == {(300, 75)}
