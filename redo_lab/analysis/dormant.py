"""How many neurons are dormant when training ends, of each method with its interval, in words."""

from __future__ import annotations

import polars as pl

from redo_lab.analysis.aggregate import Estimate, estimate
from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.lines import dormancy_threshold, final_dormancy
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.runs.table import Table


def dormancy_lines(score_table: ScoreTable, table: Table, resampling: Resampling) -> list[str]:
    """A heading and a line for each method; none where not all runs have measured it."""
    tau = dormancy_threshold(score_table, table)
    if tau is None:
        return []
    by_method = final_estimates(score_table, table, tau, resampling)
    width = max(map(len, by_method))
    heading = f"dormant neurons when training ends (τ = {tau:g}), mean of runs, {resampling.confidence:.0%} intervals:"
    return [heading, *(f"  {method:<{width}}  {_text(one)}" for method, one in by_method.items())]


def final_estimates(score_table: ScoreTable, table: Table, tau: float, resampling: Resampling) -> dict[str, Estimate]:
    """Method → mean of the last total dormant % of its runs, resampled as scores are."""
    last = final_dormancy(score_table, table, tau)
    estimates = {}
    for method in score_table.methods:
        wide = last.filter(pl.col("method") == method).pivot("game", index="seed", values="value").sort("seed")
        scores = wide.select(score_table.games).to_numpy().astype(float)
        estimates[method] = estimate(scores, ["mean"], resampling, method)["mean"]
    return estimates


def _text(one: Estimate) -> str:
    if one.low is None or one.high is None:
        return f"{one.value:.1f} %"
    return f"{one.value:.1f} % [{max(0.0, one.low):.1f}, {min(100.0, one.high):.1f}]"
