"""The table of runs from W&B: by scan_history (never the sampled history), or from W&B's files on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from redo_lab.runs import wandb_files
from redo_lab.runs.cache import SCHEMA
from redo_lab.runs.entry import (
    OLD_SCORE,
    OLD_STUDY,
    OLD_UNIT,
    RunRecord,
    clock_of,
    code_text,
    flattened,
    scalar,
    score_word,
    versions_text,
)
from redo_lab.runs.identity import relevant
from redo_lab.runs.table import Table, table_of

LOG = logging.getLogger("redo_lab")
PREFIX = "wandb:"
CLOCKS = ("env_steps", "updates", "frames")
ONLINE_STATES = {"finished": "finished", "running": "running", "killed": "interrupted"}
"""Any other state of W&B's is a failure."""
OFFLINE_STATES = {None: "running", 0: "finished", 255: "interrupted"}
"""By the exit code, None if the file has none."""
NOT_SETTINGS = ("axes", "run", "probes")


@dataclass(frozen=True)
class WandbRun:
    """A run as W&B has it. place: `wandb:entity/project/id` or its folder; rows: of its history."""

    place: str
    state: str
    config: Mapping[str, Any]
    rows: Iterable[Mapping[str, Any]]


def load_wandb(source: str) -> Table:
    """The runs of `wandb:entity/project`, or those below the folder of `wandb:FOLDER`; ValueError if there are none.

    All is read at once. Aggregates and runs of other programs are left out, with a warning.
    """
    place = source.removeprefix(PREFIX)
    runs = list(_offline(Path(place)) if Path(place).is_dir() else _online(place))
    records, frames = [], []
    for run in runs:
        if "axes" not in run.config:
            LOG.warning("%s is no training run of redo_lab (its config has no axes): left out", run.place)
            continue
        frame = _metrics(run.rows)
        records.append(_record(run, frame))
        frames.append(frame.select(pl.lit(run.place).alias("directory"), *SCHEMA))
    if not records:
        raise ValueError(f"{source}: holds no runs of redo_lab")
    metrics = pl.concat(frames)

    def read(directories: Sequence[str], names: Sequence[str], prefixes: Sequence[str]) -> pl.DataFrame:
        selection = metrics.filter(pl.col("directory").is_in(list(directories)))
        if names or prefixes:
            conditions = [
                pl.col("name").is_in(list(names)),
                *(pl.col("name").str.starts_with(each) for each in prefixes),
            ]
            selection = selection.filter(pl.any_horizontal(conditions))
        return selection

    return table_of(records, read)


def _online(place: str) -> Iterator[WandbRun]:
    import wandb

    if place.count("/") != 1:
        raise ValueError(f"--from {PREFIX}{place}: neither a folder here nor ENTITY/PROJECT")
    try:
        for run in wandb.Api().runs(place):
            state = ONLINE_STATES.get(run.state, "failed")
            yield WandbRun(f"{PREFIX}{place}/{run.id}", state, run.config, run.scan_history())
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise ValueError(f"--from {PREFIX}{place}: W&B says: {str(error).splitlines()[0]}") from error


def _offline(folder: Path) -> Iterator[WandbRun]:
    """A run for each id: the files of its attempts belong together."""
    by_id: dict[tuple[str, str], list[Path]] = {}
    for path in wandb_files.files(folder):
        by_id.setdefault((str(path.parent.parent.parent), path.stem), []).append(path)
    for paths in by_id.values():
        exits = [record.exit.exit_code for record in wandb_files.records(paths[-1]) if record.HasField("exit")]
        state = OFFLINE_STATES.get(exits[-1] if exits else None, "failed")
        rows = [row for path in paths for row in wandb_files.history(path)]
        yield WandbRun(str(paths[0].parent), state, wandb_files.config(paths[-1]), rows)


def _record(run: WandbRun, metrics: pl.DataFrame) -> RunRecord:
    identity = run.config.get("run", {})
    git = identity.get("git") or {}
    commit, dirty = git.get("commit"), git.get("dirty")
    row = {
        "directory": run.place,
        "run_id": identity.get("run_id", run.place.rpartition("/")[2]),
        "experiment": identity.get("experiment", "unknown"),
        "study": identity.get("study", OLD_STUDY),
        "state": run.state,
        "done": metrics["env_steps"].max() or 0,
        "planned": identity.get("total", identity.get("env_steps", 0)),
        "unit": identity.get("unit", OLD_UNIT),
        "clock": clock_of(identity.get("clocks"), identity.get("unit", OLD_UNIT)),
        "scored_by": (metric := identity.get("scored_by", OLD_SCORE)),
        "score_word": identity.get("score_word", score_word(metric)),
        "higher_is_better": identity.get("higher_is_better") is not False,
        "updates": metrics["updates"].max() or 0,
        "error": None,
        "commit": commit,
        "dirty": dirty,
        "code": code_text(commit, dirty),
        "versions": versions_text(identity.get("versions", {})),
    }
    settings = {key: value for key, value in relevant(run.config).items() if key not in NOT_SETTINGS}
    axes = {name: scalar(value) for name, value in run.config["axes"].items()}
    return RunRecord(row, axes, flattened(settings))


def _metrics(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """SCHEMA's columns, in the order of time; each value of a moment once."""
    by_key = {
        (int(row["env_steps"]), int(row["updates"]), name): float(value)
        for row in rows
        for name, value in row.items()
        # No metric has a dot in its name, but what W&B says of a video has: its width, for one.
        if not name.startswith("_") and "." not in name and name not in CLOCKS and _is_number(value)
    }
    ordered = sorted(by_key, key=lambda key: key[:2])
    values = [by_key[key] for key in ordered]
    columns = zip(*ordered, strict=True) if ordered else ((), (), ())
    return pl.DataFrame([*columns, values], schema=SCHEMA)


def _is_number(value: Any) -> bool:
    """W&B writes NaN and infinities as words; None is a column that the row doesn't have."""
    return isinstance(value, (int, float)) or value in ("NaN", "Infinity", "-Infinity")
