"""From runs to one complete score matrix per method, with everything that is missing named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from redo_lab.analysis.bootstrap import Scores
from redo_lab.analysis.honesty import Cell, Findings, alike, cells, common, dropped, one_suite
from redo_lab.analysis.methods import add_method
from redo_lab.analysis.normalise import Normalisation, minmax_scale, normalisation_for, scale_of
from redo_lab.runs.entry import UNCOMMITTED
from redo_lab.runs.table import Table

ENOUGH_SEEDS = 5
"""With fewer a 95 % bootstrap interval covers the truth too seldom (Agarwal et al., 2021), and a warning says so."""
LISTED = 6


class Score(NamedTuple):
    """What runs are compared by: a metric, what its values are called, and which of two is the better one."""

    metric: str
    word: str
    higher_is_better: bool


@dataclass(frozen=True)
class ScoreTable:
    """Complete score matrices of comparable runs.

    scores: method → final scores [seeds, games] on the scale `normalisation`, rows as `seeds[method]`, columns as
    `games`. scales: game → offset and span, so that a score is (raw score − offset) / span. runs: those behind the
    scores, with their `method`. left_out: cells without a usable run and usable runs that are not in the matrices,
    each with the reason. caveats: what else sets the runs apart.
    """

    suite: str
    scale: str
    score: Score
    normalisation: Normalisation
    games: tuple[str, ...]
    seeds: dict[str, tuple[int, ...]]
    scores: dict[str, Scores]
    scales: dict[str, tuple[float, float]]
    runs: pl.DataFrame
    left_out: tuple[str, ...]
    caveats: tuple[str, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.scores)

    @property
    def label(self) -> str:
        """What a score is called in tables and on axes, with its direction where that isn't the usual one."""
        return self.normalisation.label(self.score.word) + ("" if self.score.higher_is_better else " (lower is better)")

    def warnings(self, *, pooled: bool = True) -> list[str]:
        """What a reader of the numbers must know, a sentence each; pooled: scores of several games are averaged."""
        sentences = list(self.caveats)
        counts = [len(seeds) for seeds in self.seeds.values()]
        each = "; ".join(f"{method}: {count}" for method, count in zip(self.seeds, counts, strict=True))
        if min(counts) < ENOUGH_SEEDS:
            have = f"{counts[0]} of every method" if len(set(counts)) == 1 else each
            sentences.append(f"fewer than {ENOUGH_SEEDS} seeds ({have}): too few for intervals to rely on")
        if len(set(counts)) > 1:
            sentences.append(f"unequal numbers of seeds: {each}")
        if pooled and self.normalisation is Normalisation.NONE and len(self.games) > 1:
            word = self.score.word
            sentences.append(f"the raw {word} of {len(self.games)} games is averaged; games with large values dominate")
        if self.scale in ("demo", "smoke"):
            sentences.append(
                f"at scale '{self.scale}' the runs are far too short: no conclusion about their scores holds"
            )
        if self.runs["code"].str.contains(UNCOMMITTED, literal=True).any():
            sentences.append("the code had uncommitted changes")
        return sentences

    def missing(self) -> list[str]:
        """What is left out, for a caption: all of it if it is little, else the first and a count."""
        if len(self.left_out) <= LISTED:
            return [f"left out: {'; '.join(self.left_out)}"] if self.left_out else []
        more = len(self.left_out) - LISTED + 1
        return [f"left out: {'; '.join(self.left_out[: LISTED - 1])}; and {more} more"]


def final_scores(evaluations: pl.DataFrame) -> dict[str, float]:
    """Run directory → mean of the last 10 % of its evaluations, rounded down, at least one."""
    ordered = evaluations.sort("directory", "env_steps", maintain_order=True)
    last = pl.max_horizontal(pl.len() // 10, 1)
    scores = ordered.group_by("directory").agg(pl.col("value").tail(last).mean().alias("score"))
    return dict(scores.select("directory", "score").iter_rows())


def last_moments(evaluations: pl.DataFrame, runs: pl.DataFrame) -> dict[str, int]:
    """Run directory → where its last evaluation was, on the clock of its length; only of runs that have this clock."""
    latest = evaluations.group_by("directory").agg(pl.col("env_steps", "updates").max())
    joined = runs.select("directory", "clock").drop_nulls().join(latest, on="directory")
    at = pl.when(pl.col("clock") == "env_steps").then("env_steps").otherwise("updates")
    return dict(joined.select("directory", at).iter_rows())


def collect(
    table: Table,
    by: Sequence[str] | None = None,
    normalisation: Normalisation | None = None,
    *,
    allow_missing: bool = False,
    mixed_steps: bool = False,
) -> ScoreTable:
    """The scores of the runs of `table`. ValueError where they are not comparable, listing all that is wrong.

    Without `allow_missing`: every method must have a usable run (finished, finite score) of every game and seed that
    any method has, all of one scale, length and code. With it, runs of the most frequent scale and length are used,
    the games are those of which every method has a usable run, and a method's seeds those of which it has a usable run
    of all these games. mixed_steps: methods may differ in length.
    """
    suite = one_suite(table.runs)
    findings = Findings()
    runs = alike(add_method(table, by), findings, mixed_steps=mixed_steps)
    evaluations = table.evaluations()
    scores = final_scores(evaluations)
    usable = cells(runs, scores, last_moments(evaluations, runs), findings)
    if (findings.left_out or findings.caveats) and not allow_missing:
        raise ValueError(findings.refusal())
    games, seeds = common(usable, list(dict.fromkeys(runs["method"])))
    complete = {cell for cell in usable if cell.game in games and cell.seed in seeds[cell.method]}
    findings.left_out += [dropped(cell, games) for cell in usable if cell not in complete]
    metric, word, higher_is_better = runs.select("scored_by", "score_word", "higher_is_better").row(0)
    score = Score(metric, word, higher_is_better)
    normalisation = normalisation_for(suite, metric, normalisation)
    finals = {game: [scores[usable[cell]] for cell in complete if cell.game == game] for game in games}
    scales = {game: _scale(game, normalisation, finals[game]) for game in games}
    return ScoreTable(
        suite=suite,
        scale=str(runs["scale"][0]) if "scale" in runs.columns else "unknown",
        score=score,
        normalisation=normalisation,
        games=games,
        seeds=seeds,
        scores={method: _matrix(method, seeds[method], scales, usable, scores) for method in seeds},
        scales=scales,
        runs=runs.filter(pl.col("directory").is_in([usable[cell] for cell in complete])),
        left_out=tuple(findings.left_out),
        caveats=tuple(findings.caveats),
    )


def _scale(game: str, normalisation: Normalisation, finals: Sequence[float]) -> tuple[float, float]:
    return minmax_scale(game, finals) if normalisation is Normalisation.MINMAX else scale_of(game, normalisation)


def _matrix(
    method: str,
    seeds: Sequence[int],
    scales: dict[str, tuple[float, float]],
    usable: dict[Cell, str],
    scores: dict[str, float],
) -> Scores:
    raw = np.array([[scores[usable[Cell(method, game, seed)]] for game in scales] for seed in seeds])
    offsets, spans = np.array(list(scales.values())).T
    matrix: Scores = (raw - offsets) / spans
    return matrix
