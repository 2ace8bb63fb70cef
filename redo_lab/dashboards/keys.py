"""The names under which the aggregates of runs are in W&B: written by `report --to wandb`, read by the dashboard."""

from __future__ import annotations

AGGREGATE = "aggregate"
"""The job type of a run that holds aggregates, and what its names begin with."""
TABLE = f"{AGGREGATE}/table"
PAGE = f"{AGGREGATE}/report"
"""The whole report, interactive."""


def scalars(metric: str) -> str:
    """What the names of `metric` (iqm, median …) of all methods begin with."""
    return f"{AGGREGATE}/{metric}/"


def scalar(metric: str, method: str) -> str:
    """The name of `metric` of `method`. No dots: W&B nests keys at them."""
    return scalars(metric) + method.replace(".", "p")


def figure(name: str) -> str:
    """The name of the picture of a figure."""
    return f"{AGGREGATE}/figures/{name}"
