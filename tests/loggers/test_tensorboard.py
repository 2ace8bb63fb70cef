"""TensorBoard's own reader shows the curves, and trouble with the disk costs a warning."""

from __future__ import annotations

import importlib.util
import logging
import math
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from redo_lab.config import ConfigError
from redo_lab.loggers.tensorboard import TensorBoard
from redo_lab.types import Row
from tests.loggers.test_contract import ROWS, attempt


def shown(reader: EventAccumulator, name: str) -> list[float]:
    return [make_ndarray(event.tensor_proto).item() for event in reader.Tensors(name)]


def test_tensorboards_own_reader_finds_scalars_over_env_steps(tmp_path: Path) -> None:
    tracked = attempt("tensorboard", tmp_path)
    tracked.log(ROWS)
    tracked.finish("finished")
    reader = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert reader.summary_metadata["train/loss"].plugin_data.plugin_name == "scalars"
    assert [event.step for event in reader.Tensors("train/loss")] == [100, 200, 300, 300]
    assert shown(reader, "updates") == [25, 50, 51, 75, 76]
    assert shown(reader, "a/sum") == [float(np.float32(0.1 + 0.2))]
    assert shown(reader, "a/big") == [math.inf], "the file has 1e308 as well"


def test_a_disk_that_refuses_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("redo_lab"), "propagate", True)
    tracked = attempt("tensorboard", tmp_path)
    (tmp_path / "tensorboard").write_text("in the way")
    tracked.log(ROWS[:1])
    tracked.log([Row(200, 50, {"train/loss": 1.0})])
    tracked.finish("finished")
    assert [record.getMessage().startswith("TensorBoard: ") for record in caplog.records] == [True]


def test_without_tensorboard_a_run_is_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    TensorBoard.check_start(TensorBoard.Config())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"redo_lab\[tensorboard\]"):
        TensorBoard.check_start(TensorBoard.Config())
