"""A run directory as data: what it ran, how it stands, what it measured. Nothing that it names is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from redo_lab.runs import about, provenance, status
from redo_lab.runs.cache import SCHEMA, cached_metrics
from redo_lab.runs.entry import UNKNOWN
from redo_lab.runs.reading import read_object, regular_bytes
from redo_lab.runs.status import State, Status

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LoadedRun:
    """A run as its directory held it when it was loaded; its metrics are read on demand.

    axes: what tells it from other runs (agent, game, replay ratio, recycler, seed …); config: all its settings, as they
    were when it began; status: None where the run has none yet, or none that can be understood.
    """

    directory: Path
    run_id: str
    name: str
    axes: Mapping[str, Any]
    config: Mapping[str, Any]
    status: Status | None

    @property
    def state(self) -> str:
        """pending, running, finished, failed, preempted or interrupted; unknown where status.json is damaged."""
        if self.status is not None:
            return self.status.state.value
        return UNKNOWN if (self.directory / status.FILE_NAME).exists() else State.PENDING.value

    def metrics(self, names: Sequence[str] = ()) -> pl.DataFrame:
        """The values of the metrics `names`, of all if none is given: env_steps, updates, name, value, as they came."""
        return cached_metrics([str(self.directory)], _several(names), ()).select(*SCHEMA)

    def metrics_in_pandas(self, names: Sequence[str] = ()) -> pd.DataFrame:
        """The same for pandas."""
        import pandas as pd

        return pd.DataFrame({column.name: column.to_list() for column in self.metrics(names)})


def load_run(directory: str | Path) -> LoadedRun:
    """The run in `directory`; ValueError if that is none."""
    directory = Path(directory)
    if not directory.is_dir():
        raise ValueError(f"{directory}: {'not a directory' if directory.exists() else 'no such directory'}")
    path = directory / about.FILE_NAME
    try:
        values = read_object(path)
    except FileNotFoundError:
        raise ValueError(f"{directory} is not a run: it has no {path.name}") from None
    try:
        run = about.of(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return LoadedRun(directory, run.run_id, run.name, run.axes, _config(directory), status.read(directory))


def _config(directory: Path) -> dict[str, Any]:
    """The run's config.yaml, with interpolations, should it have any, left as text."""
    path = directory / provenance.FIRST
    try:
        loaded = OmegaConf.create(regular_bytes(path).decode())
        plain = OmegaConf.to_container(loaded) if isinstance(loaded, DictConfig) else None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (ValueError, YAMLError, OmegaConfBaseException, RecursionError) as error:
        raise ValueError(f"{path} is not a config: {error}") from error
    if not isinstance(plain, dict):
        raise ValueError(f"{path} is not a config: it has no keys")
    return {str(key): value for key, value in plain.items()}


def _several(names: Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names
