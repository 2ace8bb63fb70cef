"""The curves of the report, thinned and rounded, in the form that its script reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from redo_lab.analysis.lines import CELL
from redo_lab.analysis.looks import Look, looks
from redo_lab.analysis.methods import add_method
from redo_lab.analysis.palette import on_dark
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.analysis.sheet import current
from redo_lab.runs.reading import printable
from redo_lab.runs.table import Table

POINTS, LEAST_POINTS = 60, 12
"""Of a run's curve: the most, and the least where there are so many curves that all have MOST_POINTS together."""
MOST_POINTS = 600_000
DIGITS = 5
NEXT = ("dormant/total_", "overlap/total_historical_", "rank/", "churn/", "norms/total_", "values/",
         "train/", "training/return")  # fmt: skip
"""The metrics to choose from after those that score the runs, in this order: names or beginnings of names."""
MOST_METRICS = 14
LINE_PIXELS = 2
"""How thick a line is."""


@dataclass(frozen=True)
class Curves:
    """Whose curves are drawn. runs: with their `directory`, method, game and seed."""

    methods: tuple[str, ...]
    games: tuple[str, ...]
    runs: pl.DataFrame

    @classmethod
    def of_scores(cls, score_table: ScoreTable) -> Curves:
        """The runs behind the scores."""
        return cls._named(score_table.methods, score_table.games, score_table.runs)

    @classmethod
    def of_all(cls, table: Table, by: Sequence[str] | None) -> Curves:
        """Every run, finished or not."""
        runs = add_method(table, by)
        methods, games = (tuple(runs[name].unique(maintain_order=True)) for name in ("method", "game"))
        return cls._named(methods, games, runs)

    @classmethod
    def _named(cls, methods: Sequence[str], games: Sequence[str], runs: pl.DataFrame) -> Curves:
        """Games are called as the style sheet has it; two of one name keep their ids."""
        titles = {game: current().game(game) for game in games}
        if len(set(titles.values())) < len(titles):
            titles = {game: game for game in games}
        named = runs.with_columns(pl.col("game").replace_strict(titles, return_dtype=pl.String))
        return cls(tuple(methods), tuple(titles.values()), named)


def _thinned(rows: pl.DataFrame, points: int) -> pl.DataFrame:
    """Of one metric at most `points` of each run, evenly, its first and last among them."""
    at, last = pl.int_range(pl.len()).over("directory"), pl.len().over("directory") - 1
    selection = (at == 0) | (at * (points - 1) // last != (at - 1) * (points - 1) // last)
    return rows.filter((last < points) | selection)


def metrics_of(table: Table) -> list[str]:
    """The metrics to choose from."""
    logged = set(table.logged()["name"].unique())
    first = table.runs["scored_by"].unique(maintain_order=True)
    ordered = [name for beginning in (*first, *NEXT) for name in sorted(logged) if name.startswith(beginning)]
    return list(dict.fromkeys(ordered))[:MOST_METRICS]


def curve_data(drawn: Curves, table: Table, metrics: Sequence[str]) -> Iterator[str]:
    """JSON in pieces, as together they take much memory.

    {methods, games, metrics, colours, dark, dashes, and
    curves: {metric: {game: {method: {seed: [env_steps, updates, values]}}}}}; dark: the colours for a dark page.
    """
    look = looks(drawn.methods)
    facts = {
        "methods": list(drawn.methods),
        "games": list(drawn.games),
        "metrics": [printable(name) for name in metrics],
        "colours": {method: look[method].colour for method in drawn.methods},
        "dark": {method: on_dark(look[method].colour) for method in drawn.methods},
        "dashes": {method: ",".join(f"{part:g}px" for part in dashes(look[method])) for method in drawn.methods},
    }
    yield f'{as_json(facts).removesuffix("}")},"curves":{{'
    points = max(LEAST_POINTS, min(POINTS, MOST_POINTS // max(1, len(metrics) * drawn.runs.height)))
    for at, (name, rows) in enumerate(table.one_by_one(metrics)):
        yield f"{',' if at else ''}{as_json(printable(name))}:{as_json(_curves(drawn, rows, points))}"
    yield "}}"


def dashes(look: Look) -> list[float]:
    """The line of a method as it is drawn on the page: lengths of strokes and gaps in pixels; solid if empty."""
    return [] if look.line == "-" else [LINE_PIXELS * length for length in look.line[1]]


def _curves(drawn: Curves, rows: pl.DataFrame, points: int) -> dict[str, Any]:
    curves: dict[str, Any] = {game: {} for game in drawn.games}
    places = {directory: cell for directory, *cell in drawn.runs.select("directory", *CELL).iter_rows()}
    finite = rows.filter(pl.col("value").is_finite() & pl.col("directory").is_in(list(places)))
    for (directory,), thin in _thinned(finite, points).group_by("directory", maintain_order=True):
        method, game, seed = places[directory]
        values = [float(f"{value:.{DIGITS}g}") for value in thin["value"]]
        curves[game].setdefault(method, {})[str(seed)] = [
            thin["env_steps"].to_list(),
            thin["updates"].to_list(),
            values,
        ]
    return curves


def as_json(value: Any) -> str:
    """`value` in few letters; without < nothing in a script's text can end it or open a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
