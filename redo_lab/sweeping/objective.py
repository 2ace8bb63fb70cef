"""What a sweeper that learns from runs, such as Optuna's, is told of each: its final score, or another metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import ListConfig

from redo_lab.analysis.score_table import final_scores
from redo_lab.config import ConfigError, nearest, require
from redo_lab.plan import Plan
from redo_lab.runs.table import load

SCORE = "score"
"""`objective=score`: the metric that runs of this study are compared by."""
BLIND = (
    "hydra_plugins.redo_lab_sweeper.grid.GridSweeper",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
)
"""The sweepers that know all jobs beforehand."""


def learns(sweeper: Mapping[str, Any]) -> bool:
    """Whether the sweeper of this node, hydra.sweeper, chooses its next jobs by the objectives of those before."""
    return sweeper["_target_"] not in BLIND


def objective(plan: Plan) -> float:
    """The mean of the last 10 % of the values of the metric that `plan.objective` names, once the run is finished.

    ConfigError, naming the nearest metric, if the run measured none of that name.
    """
    table = load([plan.directory])
    metric = plan.run["scored_by"] if plan.objective == SCORE else plan.objective
    scores = final_scores(table.values([metric]))
    if not scores:
        known = [SCORE, *table.logged()["name"].to_list()]
        raise ConfigError(f"objective={plan.objective}: {plan.directory} has no such metric: {nearest(metric, known)}")
    (score,) = scores.values()
    return score


def check_direction(sweeper: Mapping[str, Any], plans: Sequence[Plan]) -> None:
    """ConfigError if the sweeper, as far as its settings say, would look for the worst score or for several values."""
    given = sweeper.get("direction", "")
    several = given if isinstance(given, (list, ListConfig)) else [given]
    wanted = [str(one).rpartition(".")[2] for one in several]
    require(len(wanted) == 1, f"hydra.sweeper.direction={given}: a run has one objective")
    for plan in plans:
        better = "maximize" if plan.run["higher_is_better"] else "minimize"
        if plan.objective == SCORE and wanted[0] in ("maximize", "minimize") and wanted[0] != better:
            raise ConfigError(
                f"hydra.sweeper.direction={wanted[0]} would look for the worst {plan.run['score_word']}: give "
                f"hydra.sweeper.direction={better}"
            )
