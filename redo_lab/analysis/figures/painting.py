"""What figures of curves share: lines with their bands, the words around panels, and what captions say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redo_lab.analysis.figures.base import Source, Width, fitted, game_title, plain_axes
from redo_lab.analysis.lines import Curve
from redo_lab.analysis.looks import FONT_POINTS, Look
from redo_lab.analysis.methods import ONE_TASK

CLOCKS = {"env_steps": "agent steps", "updates": "gradient steps"}
STATISTICS = {"iqm": "IQM", "mean": "mean"}
AROUND_INCHES = 0.6
"""Of a panel's height: its title, ticks and the label below."""


def title_of(game: str) -> str:
    """Empty where the runs have no game."""
    return "" if game == ONE_TASK else game_title(game)


def clock_name(source: Source, clock: str) -> str:
    """What `clock` counts in these runs: the unit of their length if that is on this clock."""
    runs = source.score_table.runs
    unit = str(runs["unit"][0])
    return CLOCKS.get(unit, unit) if (runs["clock"] == clock).all() else CLOCKS[clock]


def row_inches(width: Width, across: int) -> float:
    """A panel is about three quarters as high as wide, and never flat."""
    return max(1.45, min(2.0, 0.76 * width.inches / across))


def paint_curves(axes: Axes, by_method: Mapping[str, Curve], look: Mapping[str, Look]) -> None:
    """A line for each, with its band or with thin lines for single seeds; without any, words for ticks."""
    if not by_method:
        axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center", color="#555555")
        axes.set(xticks=[], yticks=[])
        return
    for method, curve in by_method.items():
        each = look[method]
        if curve.band is not None:
            axes.fill_between(curve.x, *curve.band, color=each.colour, alpha=0.18, linewidth=0)
        if curve.seeds is not None and len(curve.seeds) > 1:
            axes.plot(curve.x, curve.seeds.T, color=each.colour, linestyle="-", linewidth=0.5, alpha=0.45)
    for at, (method, curve) in enumerate(by_method.items()):
        each, every = look[method], max(1, len(curve.x) // 5)
        # Each begins elsewhere, so that the markers of lines that lie on one another don't.
        first = at * every // max(1, len(by_method))
        axes.plot(curve.x, curve.centre, color=each.colour, linestyle=each.line, marker=each.marker,
                  markevery=(first, every), mec="white", mew=0.5)  # fmt: skip
    plain_axes(axes)


def label(figure: Figure, grid: Sequence[Sequence[Axes]], y_labels: Sequence[str], clock: str) -> None:
    """What is measured left of each row, the clock below the lowest panel of each column."""
    across, inches = len(grid[0]), float(figure.get_figheight()) / len(grid) - AROUND_INCHES
    one_label = len(grid) > 1 and len(set(y_labels)) == 1
    if one_label:
        figure.supylabel(y_labels[0], fontsize=FONT_POINTS)
    for at, axes in enumerate(axes for row in grid for axes in row):
        if at >= len(y_labels):
            axes.set_axis_off()
            continue
        if (at % across == 0 or y_labels[at] != y_labels[at - 1]) and not one_label:
            axes.set_ylabel(fitted(y_labels[at], inches))
        if at + across >= len(y_labels):
            axes.set_xlabel(clock)


def lines_notes(curves: Iterable[Curve], source: Source, statistic: str, *, pooled: bool) -> list[str]:
    """What the lines are of all seeds, and bands or thin lines."""
    every = list(curves)
    several = max((len(seeds) for seeds in source.score_table.seeds.values()), default=1) > 1
    over = " and ".join(["seeds"] * several + ["games"] * pooled)
    notes = [f"lines: {STATISTICS[statistic]} of {over}"] if over else []
    if any(curve.band for curve in every):
        notes.append(f"bands: {source.resampling.described}")
    if any(curve.seeds is not None and len(curve.seeds) > 1 for curve in every):
        notes.append("thin lines: single seeds")
    return notes
