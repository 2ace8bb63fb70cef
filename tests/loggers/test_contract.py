"""What every logger promises: the numbers of metrics.csv, value by value, whatever happened to the attempts."""

from __future__ import annotations

import csv
import gc
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from redo_lab.config import build
from redo_lab.protocols import Logger
from redo_lab.runs import wandb_files
from redo_lab.types import Row
from tests.helpers.tracked import Tracked
from tests.loggers.test_wandb import CONF, CONFIG_TREE, RUN, node

Value = tuple[int, int, str, str]
ROWS = [
    Row(100, 25, {"train/loss": 1 / 3, "dormant/total_tau0p1": 12.5, "train/q": -1e-300, "a/float32": np.float32(0.1)}),
    Row(200, 50, {"train/loss": math.nan, "a/up": math.inf, "a/down": -math.inf, "a/tiny": 5e-324, "a/big": 1e308}),
    Row(200, 51, {"evaluation/return": 7.0, "a/sum": 0.1 + 0.2}),
    Row(300, 75, {"train/loss": 0.25}),
    Row(300, 76, {"train/loss": 0.125}),
]


def number(value: str | float) -> str:
    return repr(float(value))


def in_metrics(directory: Path) -> list[Value]:
    with (directory / "metrics.csv").open(newline="") as file:
        return [(int(r["env_steps"]), int(r["updates"]), r["name"], number(r["value"])) for r in csv.DictReader(file)]


def in_wandb(directory: Path) -> Iterator[Value]:
    for path in wandb_files.files(directory / "wandb"):
        for row in wandb_files.history(path):
            for name, value in row.items():
                if not name.startswith("_") and name not in ("env_steps", "updates", "frames"):
                    yield row["env_steps"], row["updates"], name, number(value)


def in_tensorboard(directory: Path) -> Iterator[Value]:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    for path in sorted((directory / "tensorboard").iterdir()):
        for raw in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(raw)
            values = {value.tag: value.tensor.double_val[0] for value in event.summary.value}
            updates = values.pop("updates", None)
            yield from ((event.step, int(updates), name, number(value)) for name, value in values.items())


READERS: dict[str, Callable[[Path], Iterator[Value]]] = {"wandb_offline": in_wandb, "tensorboard": in_tensorboard}
ELSEWHERE = {"none", "wandb"}
"""One that keeps nothing, and one that needs a server: test_wandb_online.py."""


def attempt(name: str, directory: Path, kept: int = 0) -> Tracked:
    logger: Logger = build(node(name), "logger", directory=directory, run=RUN, config_tree=CONFIG_TREE)
    return Tracked(directory, logger, kept)


def test_every_shipped_logger_is_under_the_contract() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == {*READERS, *ELSEWHERE}


@pytest.mark.parametrize("name", READERS)
def test_the_numbers_are_those_of_metrics_csv(name: str, tmp_path: Path) -> None:
    tracked = attempt(name, tmp_path)
    for rows in (ROWS[:2], ROWS[2:3], ROWS[3:]):
        tracked.log(rows)
    tracked.finish("finished")
    assert len(in_metrics(tmp_path)) == sum(len(row.values) for row in ROWS)
    assert sorted(READERS[name](tmp_path)) == sorted(in_metrics(tmp_path))


@pytest.mark.parametrize("how", ["preempted", "killed"])
@pytest.mark.parametrize("kept", [1, 3])
@pytest.mark.parametrize("name", READERS)
def test_a_resumed_run_has_no_value_twice_and_no_gap(name: str, kept: int, how: str, tmp_path: Path) -> None:
    """The first attempt logs four moments, its newest checkpoint is `kept` moments old."""
    first = attempt(name, tmp_path)
    first.log(ROWS[:2])
    first.log(ROWS[2:4])
    if how == "preempted":
        first.finish(how)
    else:
        first.record.close()
    del first
    gc.collect()
    second = attempt(name, tmp_path, kept)
    second.log(ROWS[kept:])
    second.finish("finished")
    assert sorted(READERS[name](tmp_path)) == sorted(in_metrics(tmp_path))
    assert len(in_metrics(tmp_path)) == sum(len(row.values) for row in ROWS)


def test_no_logger_leaves_nothing(tmp_path: Path) -> None:
    tracked = attempt("none", tmp_path)
    before = set(tmp_path.iterdir())
    tracked.log(ROWS)
    tracked.finish("finished")
    assert set(tmp_path.iterdir()) == before
