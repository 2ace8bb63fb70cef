"""What counts as one method in a comparison, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from redo_lab.analysis.sheet import BETWEEN, current
from redo_lab.config import nearest
from redo_lab.runs.distinction import telling, words
from redo_lab.runs.table import Table

NEVER_A_METHOD = ("game", "seed", "suite", "scale")
LAST_RESORTS = ("suite", "scale")
"""Never a method by themselves; named where runs that differ in nothing else would be one."""
ONE_TASK = "one task"
"""The game of runs that have none."""
FALLBACK = "recycler"
EXPERIMENT = "experiment"
INTERVENTIONS = ("recycler", "regulariser", "network.norm")
"""They name together what a run does against lost plasticity; where the first two vary, `by` the first means both."""


def add_method(table: Table, by: Sequence[str] | None) -> pl.DataFrame:
    """The runs with a column `method`, sorted by it (baselines, `none`, first), one run per method, game and seed.

    Runs without a game are of one task, those without a seed have seed 0, those without an intervention `none` of it.

    `by` names the axes, or settings that vary, that tell methods apart; None takes the axes and INTERVENTIONS that vary
    and, where two runs are in one cell, settings that tell them apart, at last the experiment. Two runs in one cell
    raise ValueError.
    """
    runs = _with_cells(table.runs)
    axes = [name for name in table.axes if name not in NEVER_A_METHOD]
    interventions = [name for name in INTERVENTIONS if name in table.settings]
    varying = [name for name in (*axes, *interventions) if runs[name].n_unique() > 1]
    for name in by or ():
        if name not in axes and name not in table.settings:
            options = [*axes, *table.settings]
            raise ValueError(f"--by {name}: no such axis or varying setting of a method, {nearest(name, options)}")
    words_first = sorted(varying, key=lambda name: runs[name].dtype != pl.String)
    keys = list(by or words_first or [FALLBACK if FALLBACK in axes else (axes or ["study"])[0]])
    if INTERVENTIONS[0] in keys and INTERVENTIONS[1] in varying and INTERVENTIONS[1] not in keys:
        keys.insert(keys.index(INTERVENTIONS[0]) + 1, INTERVENTIONS[1])
    apart = [name for name in LAST_RESORTS if name in table.axes]
    candidates = dict.fromkeys((*varying, *apart, *table.settings, EXPERIMENT))
    rest = [name for name in candidates if name not in keys]
    keys += [] if by else _telling(runs, keys, rest)
    ordered = _labelled(runs, keys).sort(*_ranks(runs, keys), "game", "seed", nulls_last=True, maintain_order=True)
    _refuse_duplicates(ordered, [name for name in rest if name not in keys])
    return _called(ordered)


def _telling(runs: pl.DataFrame, keys: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Of `rest` what tells apart runs of one game and seed that are the same in `keys`."""
    cells = list(zip(*(runs[name] for name in (*keys, "game", "seed")), strict=True))
    if len(set(cells)) == len(cells):
        return []
    return telling(list(runs.select(rest).iter_rows(named=True)), rest, cells)


def label_without(run: Mapping[str, Any], without: str) -> str:
    """What the method is called without the part that `without` gives: "redo, RR 2" → "redo"."""
    part, sheet = words(without, run[without]), current()
    others = [word for word in sheet.plain(str(run["method"])).split(BETWEEN) if word != part]
    return sheet.method(BETWEEN.join(others) or "all runs")


def require_numbers(runs: pl.DataFrame, name: str) -> None:
    """ValueError unless every run has a number for the axis or setting `name`."""
    if name not in runs.columns or not runs[name].dtype.is_numeric():
        raise ValueError(f"{name} is no axis or varying setting of these runs whose values are numbers")
    lacking = runs.filter(pl.col(name).is_null())["run_id"].to_list()
    if lacking:
        raise ValueError(f"{len(lacking)} of {runs.height} runs have no {name}, {lacking[0]} the first of them; "
                         f"choose those that have it: --where '{name}!=null'")  # fmt: skip


def _with_cells(runs: pl.DataFrame) -> pl.DataFrame:
    defaults = {"game": pl.lit(ONE_TASK), "seed": pl.lit(0)}
    missing = [value.alias(name) for name, value in defaults.items() if name not in runs.columns]
    idle = [name for name in INTERVENTIONS if name in runs.columns and runs.schema[name] == pl.String]
    return runs.with_columns(missing).with_columns(
        pl.col(idle).fill_null("none"),
        pl.col("game").cast(pl.String).fill_null(ONE_TASK),
        pl.col("seed").fill_null(0 if runs.schema.get("seed", pl.Int64).is_numeric() else "0"),
    )


def _labelled(runs: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    labels = [_label({name: row[name] for name in keys}) for row in runs.iter_rows(named=True)]
    return runs.with_columns(pl.Series("method", labels))


def _called(runs: pl.DataFrame) -> pl.DataFrame:
    """Methods in the order of the style sheet, called as it has it; ValueError if two of them can't be told apart."""
    sheet = current()
    labels = list(dict.fromkeys(runs["method"]))
    names = {label: sheet.method(label) for label in labels}
    for label, name in names.items():
        if sheet.plain(name) != label:
            raise ValueError(f"two methods would be called '{name}': '{label}' and '{sheet.plain(name)}'")
    ranks = pl.col("method").replace_strict({label: sheet.rank(label) for label in labels}, return_dtype=pl.Int64)
    return runs.sort(ranks, maintain_order=True).with_columns(
        pl.col("method").replace_strict(names, return_dtype=pl.String)
    )


def games_text(games: Sequence[str]) -> str:
    """`Demon Attack`, or `17 games`."""
    return current().game(games[0]) if len(games) == 1 else f"{len(games)} games"


def _ranks(runs: pl.DataFrame, keys: Sequence[str]) -> list[pl.Expr]:
    ranks = []
    for name in keys:
        if runs[name].dtype == pl.String:
            ranks.append(pl.col(name) != "none")
        ranks.append(pl.col(name))
    return ranks


def _label(values: dict[str, Any]) -> str:
    """Words stand for themselves, numbers carry the name of their axis: "redo, RR 2".

    Of several interventions those named `none` are left out: "weight_decay", "redo, l2_init", "none"; so is a setting
    of a part that the run doesn't have.
    """
    values = {name: value for name, value in values.items() if value is not None or "." not in name} or values
    acting = [name for name in INTERVENTIONS if values.get(name) not in (None, "none")]
    idle = [name for name in INTERVENTIONS if name in values and name not in acting]
    values = {name: value for name, value in values.items() if name not in (idle if acting else idle[1:])}
    return BETWEEN.join(words(name, value) for name, value in values.items())


def _refuse_duplicates(runs: pl.DataFrame, ignored: Sequence[str]) -> None:
    cells = runs.group_by("method", "game", "seed", maintain_order=True).agg("directory")
    repeated = cells.filter(pl.col("directory").list.len() > 1)
    if repeated.is_empty():
        return
    first = repeated.row(0, named=True)
    together = runs.filter(pl.col("directory").is_in(first["directory"]))
    ignored = _explained([name for name in ignored if together[name].n_unique() > 1])
    message = (
        f"{first['method']} · {current().game(first['game'])} · seed {first['seed']} has {len(first['directory'])} runs"
    )
    reason = f"; they also differ in {', '.join(ignored)}: add one to --by, or give fewer runs" if ignored else ""
    raise ValueError("\n  ".join([f"{message}{reason}:", *first["directory"]]))


def _explained(differing: Sequence[str]) -> list[str]:
    """`differing` without the settings of parts that are others altogether, as recyclers are if `recycler` differs."""
    others = {part for name in differing for part in (name, f"{name}s")}
    return [name for name in differing if "." not in name or name.partition(".")[0] not in others]
