"""What counts as one method in a comparison, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from redo_lab.config import nearest
from redo_lab.runs.table import axes_of

NEVER_A_METHOD = ("game", "seed", "suite", "scale")
FALLBACK = "recycler"


def add_method(runs: pl.DataFrame, by: Sequence[str] | None) -> pl.DataFrame:
    """`runs` with a column `method`, sorted by it (baselines, `none`, first), one run per method, game and seed.

    `by` names the axes that tell methods apart; None takes those that vary. Two runs in one cell raise ValueError.
    """
    axes = [name for name in axes_of(runs) if name not in NEVER_A_METHOD]
    varying = [name for name in axes if runs[name].n_unique() > 1]
    for name in by or ():
        if name not in axes:
            raise ValueError(f"--by {name}: no such axis of a method, {nearest(name, axes)}")
    words_first = sorted(varying, key=lambda name: runs[name].dtype != pl.String)
    chosen = list(by or words_first or [FALLBACK if FALLBACK in axes else axes[0]])
    named = runs.with_columns(
        pl.Series("method", [_label({name: row[name] for name in chosen}) for row in runs.iter_rows(named=True)])
    )
    ordered = named.sort(*_ranks(runs, chosen), "game", "seed", nulls_last=True, maintain_order=True)
    _refuse_duplicates(ordered, [name for name in varying if name not in chosen])
    return ordered


def _ranks(runs: pl.DataFrame, chosen: Sequence[str]) -> list[pl.Expr]:
    ranks = []
    for name in chosen:
        if runs[name].dtype == pl.String:
            ranks.append(pl.col(name) != "none")
        ranks.append(pl.col(name))
    return ranks


def _label(values: dict[str, Any]) -> str:
    """Words stand for themselves, numbers carry the name of their axis: "redo, replay ratio 2"."""
    return ", ".join(_part(name, value) for name, value in values.items())


def _part(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    shown = "unset" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_', ' ')} {shown}"


def _refuse_duplicates(runs: pl.DataFrame, ignored: Sequence[str]) -> None:
    cells = runs.group_by("method", "game", "seed", maintain_order=True).agg("directory")
    repeated = cells.filter(pl.col("directory").list.len() > 1)
    if repeated.is_empty():
        return
    first = repeated.row(0, named=True)
    message = f"{first['method']} · {first['game']} · seed {first['seed']} has {len(first['directory'])} runs"
    reason = f"; they also differ in {', '.join(ignored)}: add it to --by, or give fewer runs" if ignored else ""
    raise ValueError("\n  ".join([f"{message}{reason}:", *first["directory"]]))
