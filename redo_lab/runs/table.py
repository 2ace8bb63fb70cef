"""Many runs as tables: one row per run, or one row per run, step and metric. Never imports torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from redo_lab.runs.cache import SCHEMA, Reader
from redo_lab.runs.entry import RESERVED, RUN_COLUMNS, RunRecord, Scalar, read_run

Read = Callable[[Sequence[str], Sequence[str], Sequence[str]], pl.DataFrame]
"""directories, names, prefixes → directory and SCHEMA's columns, in order; all metrics if neither is given."""


@dataclass(frozen=True)
class Table:
    """Runs, from disk or from W&B. runs: a row each: RUN_COLUMNS, the axes, and every other setting that varies.

    axes: the columns of `runs` that name a cell (`agent`, `game`, `seed` …); settings: the others (`network.width`).
    An axis or a setting that a run does not have is null there. constants: the settings that all runs share.
    """

    runs: pl.DataFrame
    axes: tuple[str, ...]
    settings: tuple[str, ...]
    read: Read
    constants: Mapping[str, Scalar] = field(default_factory=dict)

    def metrics(self, names: Sequence[str] = (), prefixes: Sequence[str] = ()) -> pl.DataFrame:
        """The metrics named in `names` or starting with one of `prefixes`; all if neither is given.

        Long form: directory, run_id, the axes, the settings, env_steps, updates, name, value; in the order of the
        runs and, within a run, of time. A last line that is being written right now is left out until it is whole.
        """
        identity = self.runs.select("directory", "run_id", *self.axes, *self.settings)
        joined = self.values(names, prefixes).join(identity, on="directory", how="left", maintain_order="left")
        return joined.select(*identity.columns, *SCHEMA)

    def values(self, names: Sequence[str] = (), prefixes: Sequence[str] = ()) -> pl.DataFrame:
        """As `metrics`, of each run its directory alone: far smaller where there are many runs."""
        return self.read(self.runs["directory"].to_list(), names, prefixes)

    def evaluations(self) -> pl.DataFrame:
        """Of each run the values of the metric that it is `scored_by`, as `values` gives them."""
        rows = self.values(self.runs["scored_by"].unique().to_list())
        own = self.runs.select("directory", name="scored_by")
        return rows.join(own, on=["directory", "name"], how="semi", maintain_order="left")

    def logged(self) -> pl.DataFrame:
        """directory and name: which metrics each run has, in the order in which they first appear."""
        directories = self.runs["directory"].to_list()
        if isinstance(self.read, Reader):
            return self.read.logged(directories)
        return self.values().select("directory", "name").unique(maintain_order=True)

    def where(self, condition: pl.Expr) -> Table:
        """The runs for which `condition` holds."""
        return replace(self, runs=self.runs.filter(condition))


def load(paths: Iterable[Path | str], *, cache: bool = True) -> Table:
    """The runs at or below `paths`; ValueError where there are none.

    A run whose files can't be understood is passed over, with a warning that names the file.
    """
    directories = find_runs(paths)
    records = [record for directory in directories if (record := read_run(directory)) is not None]
    if not records:
        raise ValueError(f"none of {len(directories)} runs can be understood")
    return table_of(records, Reader(cache=cache))


def table_of(records: Sequence[RunRecord], read: Read) -> Table:
    """The table of `records`, whose metrics `read` reads."""
    axes = list(dict.fromkeys(name for record in records for name in record.axes))
    flat = [record.settings for record in records]
    columns = {name: _column(name, [record.row[name] for record in records]) for name in RUN_COLUMNS}
    columns |= {name: _column(name, [record.axes.get(name) for record in records]) for name in axes}
    reserved = {*columns, *RESERVED}
    names = dict.fromkeys(name for settings in flat for name in settings if name not in reserved)
    by_name = {name: [settings.get(name) for settings in flat] for name in names}
    varying = {name: values for name, values in by_name.items() if _vary(values)}
    constants = {name: values[0] for name, values in by_name.items() if name not in varying}
    axis_values = [[record.axes.get(name) for record in records] for name in axes]
    varying = {name: values for name, values in varying.items() if values not in axis_values}
    columns |= {name: _column(name, values) for name, values in varying.items()}
    return Table(pl.DataFrame(list(columns.values())), tuple(axes), tuple(varying), read, constants)


def find_runs(paths: Iterable[Path | str]) -> list[Path]:
    """The run directories (those that hold a run.json) at or below `paths`, each once, in a fixed order.

    A path may be a run, an experiment or a root; one that does not exist or holds no run raises ValueError.
    """
    directories: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            raise ValueError(f"{path}: {'not a directory' if path.exists() else 'no such directory'}")
        below = sorted(_run_directories(path))
        if not below:
            raise ValueError(f"{path}: holds no runs (no directory with a run.json)")
        directories |= {directory.resolve(): directory for directory in below if directory.resolve() not in directories}
    return list(directories.values())


def _vary(values: Sequence[Scalar]) -> bool:
    return any(value != values[0] for value in values)


def _run_directories(top: Path) -> Iterator[Path]:
    for directory, below, files in os.walk(top):
        if "run.json" in files:
            below.clear()
            yield Path(directory)
        # Runs that force=true put aside don't count any more.
        below[:] = [name for name in below if ".old-" not in name]


def _column(name: str, values: Sequence[Scalar]) -> pl.Series:
    """Values as integers, else as floats, else as text: an axis may be `1` in one run and `0.5` in another."""
    kinds = {type(value) for value in values if value is not None}
    if name in ("error", "commit", "versions", "clock") or not kinds:
        return pl.Series(name, values, dtype=pl.Boolean if name == "dirty" else pl.String)
    if len(kinds) == 1 and kinds <= {int, float, str, bool}:
        return pl.Series(name, values)
    if kinds == {int, float}:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    return pl.Series(name, [None if value is None else str(value) for value in values])
