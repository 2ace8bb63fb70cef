"""TensorBoard beside the run directory: an event file that holds what metrics.csv holds, every bit of it."""

from __future__ import annotations

import csv
import importlib.util
import logging
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from redo_lab.config import ConfigError
from redo_lab.protocols import Logger
from redo_lab.types import Row

if TYPE_CHECKING:
    from tensorboard.summary.writer.record_writer import RecordWriter

LOG = logging.getLogger("redo_lab")
FOLDER, FILES = "tensorboard", "events.out.tfevents."
PLUGIN = "scalars"
"""TensorBoard's word for what shows curves of numbers."""


class TensorBoard(Logger):
    """An event for each moment, its step the env_steps; `updates` is a curve as well, and so every moment is known.

    An attempt writes the file anew from metrics.csv, which is cut to where it goes on: nothing is there twice.
    """

    @dataclass
    class Config:
        """Nothing to set."""

    @classmethod
    def check_start(cls, config: Any) -> None:
        """Raises ConfigError if TensorBoard is not installed."""
        if importlib.util.find_spec("tensorboard") is None:
            raise ConfigError("logger=tensorboard: it is not installed; run `pip install 'redo_lab[tensorboard]'`")

    def __init__(
        self, config: Config, *, directory: Path, run: Mapping[str, Any], config_tree: Mapping[str, Any]
    ) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self._records: RecordWriter | None = None
        self._close: Callable[[], object] | None = None
        self._failed = False

    def log(self, rows: Sequence[Row]) -> None:
        """The file holds `rows`, which metrics.csv has by now, exactly as given. A full disk costs a warning alone."""
        if self._failed:
            return
        try:
            if self._file is None:
                self._begin()
                rows = list(_rows(self._directory / "metrics.csv"))
            for row in rows:
                self._write(row)
            assert self._file is not None
            self._file.flush()
        except OSError as error:
            self._failed = True
            LOG.warning("TensorBoard: %s (training goes on, and metrics.csv has every number)", error)

    def finish(self, state: str) -> None:
        """The file is closed."""
        if self._close is not None:
            self._close()

    def _begin(self) -> None:
        """The only event file is an empty one."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder = self._directory / FOLDER
        folder.mkdir(exist_ok=True)
        for earlier in folder.glob(f"{FILES}*"):
            earlier.unlink()
        # Its name must be new: a TensorBoard that is open has read the one before to its end.
        self._file = (folder / f"{FILES}{time.time_ns()}.redo_lab").open("xb")
        self._close = weakref.finalize(self, self._file.close)
        self._records = RecordWriter(self._file)
        self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def _write(self, row: Row) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = {"updates": float(row.updates), **row.values}
        summary = Summary(value=[_value(name, float(value)) for name, value in values.items()])
        event = Event(wall_time=time.time(), step=row.env_steps, summary=summary)
        assert self._records is not None
        self._records.write(event.SerializeToString())


def _value(name: str, value: float) -> Any:
    """A scalar of the 32 bits that TensorBoard shows, it knows no others, with all 64 beside them in `double_val`."""
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_FLOAT

    plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN)
    return Summary.Value(
        tag=name,
        metadata=SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_SCALAR),
        tensor=TensorProto(dtype=DT_FLOAT, tensor_shape=TensorShapeProto(), float_val=[value], double_val=[value]),
    )


def _rows(path: Path) -> Iterator[Row]:
    """What metrics.csv holds."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        next(lines)
        for (env_steps, updates), values in groupby(lines, lambda line: (int(line[0]), int(line[1]))):
            yield Row(env_steps, updates, {name: float(value) for _, _, name, value in values})
