"""Intervals as lines whose ends stand out beside any marker, above everything else."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

END_POINTS = 8.0
"""The length of the line at each end of an interval: longer than a marker is high, so that none hides it."""
CASED_POINTS = 5.0
"""The same on a bar, which has no marker."""
LINE_POINTS = 1.1
ABOVE = 5
"""Markers are below."""


def interval(
    axes: Axes,
    low: float | None,
    high: float | None,
    at: float,
    colour: str,
    *,
    upright: bool = False,
    cased: bool = False,
) -> None:
    """From `low` to `high` at the place `at` of the other axis; nothing without bounds. cased: on a white edge."""
    if low is None or high is None:
        return
    along, across = [low, high], [at, at]
    effects = [withStroke(linewidth=LINE_POINTS + 1, foreground="white")] if cased else []
    marker: Any = {
        "marker": "_" if upright else "|",
        "markersize": CASED_POINTS if cased else END_POINTS,
        "markeredgewidth": LINE_POINTS,
    }
    axes.plot(*((across, along) if upright else (along, across)), color=colour, linewidth=LINE_POINTS, **marker,
              markeredgecolor=colour, solid_capstyle="butt", zorder=ABOVE, path_effects=effects)  # fmt: skip
