"""Learning curves and dormant neurons over a run, as numbers ready to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from redo_lab.analysis.aggregate import Resampling, Scores, estimate_over_time, iqm_over_time, mean_over_time
from redo_lab.analysis.normalise import Normalisation, scale_of
from redo_lab.analysis.study import ENOUGH_SEEDS, Study
from redo_lab.runs.names import DORMANT_TOTAL, EVALUATION_RETURN, tau_text, tau_value

GAMES_WITH_OWN_PANEL = 4
MOST_POINTS = 200


@dataclass(frozen=True)
class Curve:
    """One method. band: bounds of the 95 % interval, None with too few seeds; then seeds holds a line per seed."""

    x: NDArray[np.int64]
    centre: Scores
    band: tuple[Scores, Scores] | None
    seeds: Scores | None


@dataclass(frozen=True)
class Panel:
    """The curves of all methods over one clock. percent: 0 to 100; absent: methods whose runs share no point on it."""

    title: str
    x_label: str
    y_label: str
    percent: bool
    curves: dict[str, Curve]
    absent: tuple[str, ...]


def dormancy_threshold(study: Study, metrics: pl.DataFrame) -> float | None:
    """The largest τ whose total dormant % every run of the study logged."""
    logged = metrics.filter(
        pl.col("name").str.starts_with(DORMANT_TOTAL) & pl.col("directory").is_in(study.runs["directory"].to_list())
    )
    runs_with = logged.group_by("name").agg(pl.col("directory").n_unique()).iter_rows()
    shared = [tau_value(name.removeprefix(DORMANT_TOTAL)) for name, count in runs_with if count == study.runs.height]
    return max(shared, default=None)


def final_dormancy(study: Study, metrics: pl.DataFrame, threshold: float) -> dict[str, float]:
    """Method → mean over its runs of the last total dormant % (0 to 100) at `threshold`."""
    last = (
        metrics.filter(pl.col("name") == DORMANT_TOTAL + tau_text(threshold))
        .sort("updates", maintain_order=True)
        .group_by("directory")
        .agg(pl.col("value").last())
        .join(study.runs.select("directory", "method"), on="directory")
    )
    return dict(last.group_by("method").agg(pl.col("value").mean()).iter_rows())


def panels(study: Study, metrics: pl.DataFrame, threshold: float | None, resampling: Resampling) -> list[list[Panel]]:
    """Rows of panels: return above dormant %, a column per game; one row of the two for one game or more than four.

    A single game is drawn as its mean raw return, many games as the IQM of their normalised scores.
    """
    data = metrics.join(study.runs.select("directory", "method"), on="directory")
    apart = len(study.games) <= GAMES_WITH_OWN_PANEL
    groups = [(game,) for game in study.games] if apart else [study.games]
    rows = [[_score_panel(study, data, games, resampling) for games in groups]]
    if threshold is not None:
        rows.append([_dormant_panel(study, data, games, threshold, resampling) for games in groups])
    return [[panel for row in rows for panel in row]] if len(groups) == 1 else rows


def _score_panel(study: Study, data: pl.DataFrame, games: tuple[str, ...], resampling: Resampling) -> Panel:
    if len(games) == 1:
        curves = _curves(
            study, data, EVALUATION_RETURN, "env_steps", games, mean_over_time, Normalisation.NONE, resampling
        )
        label = "evaluation return"
    else:
        curves = _curves(
            study, data, EVALUATION_RETURN, "env_steps", games, iqm_over_time, study.normalisation, resampling
        )
        label = f"IQM of {study.normalisation.label}"
    return Panel(_title(games), "agent steps", label, False, curves, _absent(study, curves))


def _dormant_panel(
    study: Study, data: pl.DataFrame, games: tuple[str, ...], threshold: float, resampling: Resampling
) -> Panel:
    name = DORMANT_TOTAL + tau_text(threshold)
    curves = _curves(study, data, name, "updates", games, mean_over_time, Normalisation.NONE, resampling)
    label = f"dormant neurons (%), τ = {threshold:g}"
    return Panel(_title(games), "gradient steps", label, True, curves, _absent(study, curves))


def _curves(
    study: Study,
    data: pl.DataFrame,
    name: str,
    clock: str,
    games: tuple[str, ...],
    statistic: Callable[[Scores], Scores],
    normalisation: Normalisation,
    resampling: Resampling,
) -> dict[str, Curve]:
    rows = data.filter((pl.col("name") == name) & pl.col("game").is_in(games))
    curves = {}
    for method in study.methods:
        seeds = study.seeds[method]
        x, values = _cube(rows.filter(pl.col("method") == method), clock, len(seeds), len(games))
        if len(x):
            scales = np.array([scale_of(game, normalisation) for game in games])
            values = (values - scales[:, :1]) / scales[:, 1:]
            curves[method] = _curve(x, values, statistic, resampling)
    return curves


def _cube(rows: pl.DataFrame, clock: str, seeds: int, games: int) -> tuple[NDArray[np.int64], Scores]:
    """The points of `clock` that all runs of a method have, thinned evenly, and the values [seeds, games, points]."""
    latest = rows.unique(["seed", "game", clock], keep="last", maintain_order=True)
    shared = latest.filter(pl.len().over(clock) == seeds * games).sort("seed", "game", clock)
    x = shared[clock].unique().sort().to_numpy()
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(np.int64))
    values: Scores = shared["value"].to_numpy().reshape(seeds, games, -1)
    return x[kept], values[..., kept]


def _curve(
    x: NDArray[np.int64], values: Scores, statistic: Callable[[Scores], Scores], resampling: Resampling
) -> Curve:
    if len(values) < ENOUGH_SEEDS:
        lines = np.stack([statistic(values[seed : seed + 1]) for seed in range(len(values))])
        return Curve(x, statistic(values), None, lines)
    centre, low, high = estimate_over_time(values, statistic, resampling)
    assert low is not None
    assert high is not None
    return Curve(x, centre, (low, high), None)


def _absent(study: Study, curves: dict[str, Curve]) -> tuple[str, ...]:
    return tuple(method for method in study.methods if method not in curves)


def _title(games: tuple[str, ...]) -> str:
    return games[0].replace("_", " ").title() if len(games) == 1 else f"{len(games)} games"
