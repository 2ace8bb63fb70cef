"""From runs to one complete score matrix per method, with everything that is missing named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl

from redo_lab.analysis.aggregate import Scores
from redo_lab.analysis.methods import add_method
from redo_lab.analysis.normalise import Normalisation, normalisation_for, scale_of
from redo_lab.runs.names import EVALUATION_RETURN

ENOUGH_SEEDS = 5
"""Below this a 95 % bootstrap interval covers the truth too seldom (Agarwal et al., 2021) and is said to."""

Missing: TypeAlias = "tuple[Cell, str]"


class Cell(NamedTuple):
    """One entry of a score matrix."""

    method: str
    game: str
    seed: int

    def __str__(self) -> str:
        return f"{self.method} · {self.game} · seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """Complete score matrices of comparable runs.

    scores: method → final scores [seeds, games] on the scale `normalisation`, rows as `seeds[method]`, columns as
    `games`. runs: the runs behind them, with their `method`. left_out: cells without a usable run, and usable runs
    that are not in the matrices, each with the reason.
    """

    suite: str
    scale: str
    normalisation: Normalisation
    games: tuple[str, ...]
    seeds: dict[str, tuple[int, ...]]
    scores: dict[str, Scores]
    runs: pl.DataFrame
    left_out: tuple[str, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.scores)

    def warnings(self) -> list[str]:
        """What a reader of the numbers must be told, a sentence each."""
        found = []
        counts = [len(seeds) for seeds in self.seeds.values()]
        each = "; ".join(f"{method}: {count}" for method, count in zip(self.seeds, counts, strict=True))
        if min(counts) < ENOUGH_SEEDS:
            have = f"{counts[0]} of every method" if len(set(counts)) == 1 else each
            found.append(f"fewer than {ENOUGH_SEEDS} seeds ({have}): too few for intervals to rely on")
        if len(set(counts)) > 1:
            found.append(f"unequal numbers of seeds: {each}")
        if self.normalisation is Normalisation.NONE and len(self.games) > 1:
            found.append(f"raw returns of {len(self.games)} games are averaged; games with large returns dominate")
        if self.scale in ("demo", "smoke"):
            found.append(f"at scale '{self.scale}' the runs are far too short: no conclusion about the methods holds")
        return found


def final_scores(evaluations: pl.DataFrame) -> dict[str, float]:
    """Run directory → mean of the last 10 % of its evaluations, rounded down, at least one."""
    ordered = evaluations.sort("directory", "env_steps", maintain_order=True)
    last = pl.max_horizontal(pl.len() // 10, 1)
    scores = ordered.group_by("directory").agg(pl.col("value").tail(last).mean().alias("score"))
    return dict(scores.select("directory", "score").iter_rows())


def collect(
    runs: pl.DataFrame,
    metrics: pl.DataFrame,
    by: Sequence[str] | None = None,
    normalisation: Normalisation | None = None,
    allow_missing: bool = False,
) -> Study:
    """The study that `runs` make up, their evaluations among `metrics`. ValueError where they are not comparable.

    Without `allow_missing`, every method must have a usable run (finished, finite score) of every game and seed that
    any method has. With it, the games are those of which every method has a usable run, and a method's seeds those of
    which it has a usable run of all these games (games first: a game with few seeds costs seeds, not the game).
    """
    suite, scale = _only(runs, "suite"), _only(runs, "scale")
    _only(runs, "planned_env_steps")
    runs = add_method(runs, by)
    scores = final_scores(metrics.filter(pl.col("name") == EVALUATION_RETURN))
    usable, missing = _cells(runs, scores)
    if missing and not allow_missing:
        raise ValueError(_refusal(missing))
    games, seeds = _common(usable, list(dict.fromkeys(runs["method"])))
    kept = {cell for cell in usable if cell.game in games and cell.seed in seeds[cell.method]}
    dropped = [f"{cell}: {_why_dropped(cell, games)}" for cell in usable if cell not in kept]
    normalisation = normalisation or normalisation_for(suite)
    return Study(
        suite=suite,
        scale=scale,
        normalisation=normalisation,
        games=games,
        seeds=seeds,
        scores={m: _matrix(m, seeds[m], games, usable, scores, normalisation) for m in seeds},
        runs=runs.filter(pl.col("directory").is_in([usable[cell] for cell in kept])),
        left_out=tuple([f"{cell}: {reason}" for cell, reason in missing] + dropped),
    )


def _only(runs: pl.DataFrame, column: str) -> str:
    values = runs[column].unique().sort() if column in runs.columns else pl.Series(["unknown"])
    if len(values) > 1:
        listed = ", ".join(str(value) for value in values)
        raise ValueError(f"the runs differ in {column} ({listed}) and cannot be aggregated; give runs of one {column}")
    return str(values[0])


def _cells(runs: pl.DataFrame, scores: dict[str, float]) -> tuple[dict[Cell, str], list[Missing]]:
    """Cells with a usable run → its directory, and the others of methods × games × seeds with the reason."""
    rows = {Cell(row["method"], row["game"], row["seed"]): row for row in runs.iter_rows(named=True)}
    methods = list(dict.fromkeys(runs["method"]))
    usable: dict[Cell, str] = {}
    missing: list[Missing] = []
    for cell in map(Cell._make, product(methods, sorted(set(runs["game"])), sorted(set(runs["seed"])))):
        row = rows.get(cell)
        if row is None:
            missing.append((cell, "no run"))
        elif row["state"] != "finished":
            at = f"{row['state']} at {row['env_steps']} of {row['planned_env_steps']} agent steps"
            missing.append((cell, f"{at}: {row['error']}" if row["error"] else at))
        elif row["directory"] not in scores:
            missing.append((cell, f"finished without any {EVALUATION_RETURN} in {row['directory']}"))
        elif not math.isfinite(scores[row["directory"]]):
            missing.append((cell, f"its final score is {scores[row['directory']]}"))
        else:
            usable[cell] = row["directory"]
    return usable, missing


def _refusal(missing: Sequence[Missing]) -> str:
    noun = (
        "1 cell (method · game · seed) has"
        if len(missing) == 1
        else f"{len(missing)} cells (method · game · seed) have"
    )
    lines = [f"{noun} no usable run:", *(f"  {cell}: {reason}" for cell, reason in missing)]
    return "\n".join(
        [*lines, "--allow-missing aggregates over what is common to the methods and says what is left out"]
    )


def _common(usable: dict[Cell, str], methods: Sequence[str]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
    games_of = {method: {cell.game for cell in usable if cell.method == method} for method in methods}
    for method, own in games_of.items():
        if not own:
            raise ValueError(f"method '{method}' has no usable run at all; leave its runs out")
    games = tuple(sorted(set.intersection(*games_of.values())))
    if not games:
        listed = "; ".join(f"{method}: {', '.join(sorted(own))}" for method, own in games_of.items())
        raise ValueError(f"no game has a usable run of every method ({listed})")
    seeds = {}
    for method in methods:
        per_game = [{cell.seed for cell in usable if cell[:2] == (method, game)} for game in games]
        seeds[method] = tuple(sorted(set.intersection(*per_game)))
        if not seeds[method]:
            raise ValueError(f"method '{method}' has no seed with a usable run of all of {', '.join(games)}")
    return games, seeds


def _why_dropped(cell: Cell, games: Sequence[str]) -> str:
    if cell.game not in games:
        return "left out, as another method has no usable run of this game"
    return "left out, as this method lacks the seed in another game"


def _matrix(
    method: str,
    seeds: Sequence[int],
    games: Sequence[str],
    usable: dict[Cell, str],
    scores: dict[str, float],
    normalisation: Normalisation,
) -> Scores:
    raw = np.array([[scores[usable[Cell(method, game, seed)]] for game in games] for seed in seeds])
    scales = np.array([scale_of(game, normalisation) for game in games])
    matrix: Scores = (raw - scales[:, 0]) / scales[:, 1]
    return matrix
