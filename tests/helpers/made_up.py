"""Runs of the shipped sweeps that nobody trained: a table in memory of what each sweep's runs would leave."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import polars as pl

from hydra_plugins.redo_lab_sweeper import grid
from redo_lab.commands import sweep
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.plan import plan
from redo_lab.runs.entry import MEASURING, RunRecord, flattened
from redo_lab.runs.names import tau_text
from redo_lab.runs.table import Table, table_of
from tests.helpers.composing import composed

MOMENTS = 4
GAMES = ("/demon_attack", "/asterix", "/beam_rider", "/pong")
"""Of every list of games some, and some that it doesn't have."""


def jobs_of(name: str, scale: str) -> list[list[str]]:
    """The jobs of a shipped sweep."""
    return SweepFile.read(sweep.SWEEPS / f"{name}.yaml").jobs(["logger=none", f"scale={scale}"], _values)


def thinned(jobs: Sequence[list[str]], games: int, seeds: int) -> Iterator[list[str]]:
    """The jobs of the first `seeds` seeds, and of the first `games` games of a suite and GAMES."""
    of_suite: dict[str, dict[str, None]] = defaultdict(dict)
    for env in (word for job in jobs for word in job if word.startswith("env=")):
        of_suite[env.partition("/")[0]][env] = None
    kept = {env for envs in of_suite.values() for at, env in enumerate(envs) if at < games or env.endswith(GAMES)}
    for job in jobs:
        seed = next(word for word in job if word.startswith("seed="))
        if not any(word.startswith("env=") and word not in kept for word in job) and int(seed[5:]) < seeds:
            yield job


class MadeUp:
    """Tables by experiment, and which runs each sweep asked for."""

    def __init__(self, names: Sequence[str], scales: Sequence[str], games: int = 2, seeds: int = 5) -> None:
        self.asked: dict[tuple[str, str], set[str]] = {}
        self.records: dict[str, dict[str, RunRecord]] = defaultdict(dict)
        for name in names:
            for scale in scales:
                of_sweep = [record_of(tuple(job)) for job in thinned(jobs_of(name, scale), games, seeds)]
                self.asked[name, scale] = {str(record.row["directory"]) for record in of_sweep}
                for record in of_sweep:
                    self.records[str(record.row["experiment"])][str(record.row["directory"])] = record
        self.tables = experiments([self])


def experiments(parts: Sequence[MadeUp]) -> dict[str, Table]:
    """The tables of all experiments of `parts` together."""
    records: dict[str, list[RunRecord]] = defaultdict(list)
    for part in parts:
        for place, runs in part.records.items():
            records[place] += runs.values()
    return {place: table_of(of_place, read) for place, of_place in records.items()}


def record_of(job: tuple[str, ...]) -> RunRecord:
    """A run as its files would give it; what only a game and a seed tell apart is composed once."""
    words = dict(word.split("=", 1) for word in job)
    seed, env = int(words.pop("seed")), words.pop("env", None)
    suite, _, game = (env or "").partition("/")
    some = tuple(f"{key}={value}" for key, value in words.items())
    axes, run, settings = _composed(some, f"{suite}/{_FIRST[suite]}" if env else None)
    digest = f"{run['identity']}-{env or 'no-env'}"
    if env:
        axes = axes | {"game": game}
    row = {
        "directory": f"/made-up/{run['experiment']}/{axes['scale']}/{digest}-s{seed}",
        "run_id": f"{digest}-s{seed}",
        "experiment": run["experiment"],
        "study": run["study"],
        "state": "finished",
        "done": run["total"],
        "planned": run["total"],
        "unit": run["unit"],
        "clock": "env_steps",
        **{name: run[name] for name in ("scored_by", "score_word", "higher_is_better")},
        "updates": 400,
        "error": None,
        "commit": "c0ffee",
        "dirty": False,
        "code": "c0ffee",
        "versions": "redo_lab 0.1.0",
    }
    _TOTALS[str(row["directory"])] = int(run["total"])
    return RunRecord(row, axes | {"seed": seed}, settings | {"seed": seed})


_FIRST = {"atari": "pong", "atari_100k": "pong", "minatar": "breakout", "mujoco": "ant"}
_TOTALS: dict[str, int] = {}


@cache
def _composed(words: tuple[str, ...], env: str | None) -> tuple[dict[str, Any], Mapping[str, Any], dict[str, Any]]:
    made = plan(*composed(*words, *([f"env={env}"] if env else [])), here=False)
    settings = {name: value for name, value in made.run["settings"].items() if name != MEASURING}
    flat = {key: value for key, value in flattened(settings).items() if key != "env.game"}
    return dict(made.run["axes"]), made.run, flat


def read(directories: Sequence[str], names: Sequence[str], prefixes: Sequence[str]) -> pl.DataFrame:
    """A few moments of every metric that figures show, the last at the run's end."""
    wanted = [
        name
        for name in METRICS
        if (not names and not prefixes) or name in names or name.startswith(tuple(prefixes) or ("\0",))
    ]
    rows = [
        (directory, _TOTALS[directory] * moment // MOMENTS, 100 * moment, name, _value(directory, name, moment))
        for directory in directories
        for moment in range(1, MOMENTS + 1)
        for name in wanted
    ]
    schema = {
        "directory": pl.String,
        "env_steps": pl.Int64,
        "updates": pl.Int64,
        "name": pl.String,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _value(directory: str, name: str, moment: int) -> float:
    seed = int(re.findall(r"-s(\d+)$", directory)[0])
    return 10.0 * moment + seed + len(name) / 10


METRICS = (
    "evaluation/return_mean",
    *("evaluation/train_accuracy", "evaluation/test_accuracy"),
    *(f"dormant/{group}_tau{tau_text(tau)}" for group in ("total", "actor", "critic1") for tau in (0, 0.025, 0.1)),
    *("overlap/dense_historical_tau0", "overlap/dense_neurons_tau0"),
    "rank/dense_srank",
    *(f"score_batches/total_{size}" for size in (32, 64, 256, 1024)),
)


def _values(word: str) -> list[str]:
    """As Hydra's parser reads lists and the ranges of the shipped sweeps."""
    key, _, value = word.partition("=")
    if value.startswith("range("):
        return [f"{key}={n}" for n in range(int(value[6:-1]))]
    if value.startswith("glob("):
        return grid.values(word)
    return [word] if value.startswith("[") else [f"{key}={one}" for one in value.split(",")]
