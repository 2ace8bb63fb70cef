"""Aggregates in W&B, which has no IQM and no bootstrap: ours, with figures, the report and the runs behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl
import wandb

from redo_lab.analysis.figures.automatic import drawings
from redo_lab.analysis.figures.base import Source, caption, save
from redo_lab.analysis.recipes import in_report
from redo_lab.analysis.schemes import METRICS
from redo_lab.analysis.score_table import final_scores
from redo_lab.analysis.sheet import current
from redo_lab.analysis.summary import Summary, rows_of, summary_of
from redo_lab.config import ConfigError
from redo_lab.dashboards import keys
from redo_lab.loggers.wandb import labels, login
from redo_lab.runs import wandb_files
from redo_lab.runs.provenance import config_path
from redo_lab.runs.stored import stored_config
from redo_lab.runs.wandb_table import PREFIX

if TYPE_CHECKING:
    from redo_lab.runs.table import Table

INIT_SECONDS, FINISH_SECONDS = 30, 300
"""How long the verb waits for W&B's start, and for W&B to take everything."""
RUN_COLUMNS = ("run_id", "experiment", "game", "seed", "state", "code")


@dataclass(frozen=True)
class Target:
    """Where the aggregates go. entity: None is the account's own default; offline: a file for `wandb sync`."""

    entity: str | None
    project: str
    offline: bool


def target_of(table: Table, entity: str | None, project: str | None, *, offline: bool) -> Target:
    """Where the runs of `table` themselves are, unless it is said; ConfigError if that is no single project.

    Online also if there is no key for W&B on this machine.
    """
    if not offline and (problem := login.problem()) is not None:
        raise ConfigError(f"--to wandb: {problem}; run `wandb login`, or --to wandb_offline needs no account")
    if project is not None:
        return Target(entity, project, offline)
    places = sorted({place for directory in table.runs["directory"] if (place := _place(directory)) is not None})
    if len(places) != 1:
        names = ", ".join("/".join(filter(None, place)) for place in places) or "none"
        raise ConfigError(f"--to wandb: which --project (and --entity)? Those of the runs: {names}")
    return Target(entity or places[0][0] or None, places[0][1], offline)


def send(source: Source, page: Path, title: str, target: Target) -> str:
    """A run of job type `aggregate` holds what the report at `page` says; returns its address, or its folder offline.

    The run of an earlier report of this title goes on: its summary is that of the newest.
    """
    summary = summary_of(source.score_table, source.table, METRICS, source.resampling)
    try:
        run = wandb.init(dir=page.absolute().parent, settings=_settings(target), **_init(source, title, target))
        with TemporaryDirectory() as folder:
            run.log({**_scalars(summary), **dict(_media(source, summary, page, Path(folder)))})
            _add_runs(run, source, Path(folder))
            run.finish()
    except (wandb.errors.Error, TimeoutError) as error:
        reason = login.without_key(str(error).splitlines()[0])
        raise ConfigError(f"{page} is written, but W&B says: {reason}") from error
    return str(Path(run.dir).parent if target.offline else run.url)


def _init(source: Source, title: str, target: Target) -> dict[str, Any]:
    experiments = sorted(set(source.score_table.runs["experiment"]))
    named = hashlib.sha256("\n".join((title, *experiments)).encode()).hexdigest()[:10]
    table = source.score_table
    config = {
        # As a run has it, for the filters of the dashboard.
        "run": {"experiment": experiments[0] if len(experiments) == 1 else experiments},
        "score": table.label,
        "interval": source.resampling.described,
        "games": list(table.games),
        "seeds": {method: list(seeds) for method, seeds in table.seeds.items()},
        "warnings": [*table.warnings(), *table.left_out],
        "runs": table.runs["run_id"].to_list(),
    }
    return {
        "entity": target.entity,
        "project": target.project,
        "id": labels.safe_id(f"{keys.AGGREGATE}-{named}"),
        "name": title[: labels.MAX_NAME_LENGTH],
        "job_type": keys.AGGREGATE,
        "resume": "allow",
        "config": config,
    }


def _scalars(summary: Summary) -> dict[str, float]:
    """iqm/redo, iqm/redo_low, iqm/redo_high …, whatever redo is called; no bounds where there is no interval."""
    values: dict[str, float | None] = {}
    for method, estimates in summary.estimates.items():
        for metric in summary.metrics:
            name, estimate = keys.scalar(metric, current().plain(method)), estimates[metric]
            values |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {name: value for name, value in values.items() if value is not None}


def _media(source: Source, summary: Summary, page: Path, folder: Path) -> Iterator[tuple[str, Any]]:
    """The table, the figures that these runs allow, and the page."""
    rows = rows_of(summary)
    cells = [list(row.values()) for row in rows]
    yield keys.TABLE, wandb.Table(columns=list(rows[0]), data=cells, allow_mixed_types=True)
    for name, title, drawing in drawings(in_report(), source):
        if not isinstance(drawing, str):
            picture = save(drawing, caption(source.score_table, drawing), folder, name, ["png"])[0]
            yield keys.figure(name), wandb.Image(str(picture), caption=title)
    yield keys.PAGE, wandb.Html(page.read_text(encoding="utf-8"), inject=False)


def _add_runs(run: wandb.Run, source: Source, folder: Path) -> None:
    """The runs behind the numbers are an artifact, with their ids in W&B: what the aggregates were made from."""
    runs = source.score_table.runs
    scores = final_scores(source.table.evaluations())
    rows = runs.select("method", *(name for name in RUN_COLUMNS if name in runs.columns)).with_columns(
        runs["directory"].replace_strict(scores, default=None).alias("final_score"),
        runs["directory"].map_elements(_wandb_id, return_dtype=pl.String(), skip_nulls=False).alias("wandb_id"),
    )
    rows.write_csv(folder / "runs.csv")
    artifact = wandb.Artifact(f"{run.id}-runs", type="runs")
    artifact.add_file(str(folder / "runs.csv"))
    run.log_artifact(artifact)


def _wandb_id(directory: str) -> str:
    """Of the run in W&B; empty if W&B has none."""
    if directory.startswith(PREFIX):
        return directory.rpartition("/")[2]
    files = wandb_files.files(Path(directory) / "wandb")
    return files[-1].stem.removeprefix("run-") if files else ""


def _place(directory: str) -> tuple[str, str] | None:
    """Entity (empty: the default) and project of a run in W&B; None if its config names none."""
    if directory.startswith(PREFIX):
        entity, project, _ = directory.removeprefix(PREFIX).split("/")
        return entity, project
    try:
        logger = stored_config(config_path(Path(directory))).get("logger")
    except ConfigError:
        return None
    if not isinstance(logger, Mapping) or not isinstance(logger.get("project"), str):
        return None
    return str(logger.get("entity") or ""), logger["project"]


def _settings(target: Target) -> wandb.Settings:
    """Only what is sent here: nothing of this machine, of the terminal or of git."""
    return wandb.Settings(
        mode="offline" if target.offline else "online",
        quiet=True,
        silent=True,
        console="off",
        save_code=False,
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
        finish_timeout_raises=True,
    )
