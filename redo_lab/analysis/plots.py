"""The two figures of an aggregate: IQM per method, and curves of return and dormant neurons."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from redo_lab.analysis.aggregate import Estimate, Resampling
from redo_lab.analysis.curves import Curve, Panel
from redo_lab.analysis.looks import CAPTION, STYLE, Look, looks
from redo_lab.analysis.output import whole_file
from redo_lab.analysis.study import ENOUGH_SEEDS, Study
from redo_lab.analysis.summary import number

DPI = 150
MOST_DOTS = 20


def draw_iqm(study: Study, iqm: Mapping[str, Estimate], resampling: Resampling, path: Path) -> None:
    """Writes a PNG with each method's IQM and 95 % interval; with few seeds also the score of every run."""
    look = looks(study.methods)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 1.75 + 0.5 * len(study.methods)), layout="constrained")
        axes = figure.subplots()
        dots = False
        for row, method in enumerate(study.methods):
            dots |= _interval_row(axes, row, study, method, iqm[method], look[method])
        axes.set_yticks(range(len(study.methods)), study.methods)
        axes.set_ylim(len(study.methods) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel(f"IQM of {study.normalisation.label}")
        notes = [_sample(study)]
        if any(found.low is not None for found in iqm.values()):
            notes.append(f"bars: 95 % stratified bootstrap intervals, {resampling.repetitions} resamples")
        if dots:
            notes.append("small dots: single runs")
        _finish(figure, [*notes, *_cautions(study)], path)


def draw_curves(study: Study, rows: Sequence[Sequence[Panel]], resampling: Resampling, path: Path) -> None:
    """Writes a PNG with a grid of `rows` of panels (see `curves.panels`) under one legend."""
    look = looks(study.methods)
    columns = max(len(row) for row in rows)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(5.6, 3.7 * columns), 2.75 * len(rows) + 1.0), layout="constrained")
        grid = figure.subplots(len(rows), columns, squeeze=False)
        cells = [(grid[row, column], panel) for row, line in enumerate(rows) for column, panel in enumerate(line)]
        for axes, panel in cells:
            _panel(axes, panel, look)
        for line, row_axes in zip(rows, grid, strict=True):
            _label(list(zip(row_axes, line, strict=True)))
        _share_height([axes for axes, panel in cells if panel.percent])
        _legend(figure, look)
        _finish(figure, _curve_notes(study, [panel for _, panel in cells], resampling), path)


def _interval_row(axes: Axes, row: int, study: Study, method: str, estimate: Estimate, look: Look) -> bool:
    """Draws one method; True if the runs were drawn too."""
    scores = study.scores[method]
    few = len(scores) < ENOUGH_SEEDS
    dots = few and scores.size <= MOST_DOTS
    if dots:
        axes.plot(scores.ravel(), [row + 0.2] * scores.size, "o", color=look.colour, markersize=3, alpha=0.45, mew=0)
    ends = [estimate.value]
    if estimate.low is not None and estimate.high is not None:
        ends += [estimate.low, estimate.high]
        width, alpha = (2.0, 0.55) if few else (6.0, 0.4)
        axes.plot(ends[1:], [row, row], color=look.colour, linewidth=width, alpha=alpha, solid_capstyle="butt")
    axes.plot(estimate.value, row, look.marker, color=look.colour, markersize=8, mec="white", mew=0.8, zorder=4)
    axes.annotate(
        number(estimate.value), (estimate.value, row), (0, 8), textcoords="offset points", ha="center", fontsize=9
    )
    return dots


def _panel(axes: Axes, panel: Panel, look: Mapping[str, Look]) -> None:
    for method, curve in panel.curves.items():
        _curve(axes, curve, look[method])
    axes.grid(axis="y")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _label(row: Sequence[tuple[Axes, Panel]]) -> None:
    """Clocks below every panel, titles above it, and what is measured once where it is the same along the row."""
    before = None
    for axes, panel in row:
        axes.set_xlabel(panel.x_label)
        axes.set_title(panel.title)
        if panel.y_label != before:
            axes.set_ylabel(panel.y_label)
        before = panel.y_label


def _curve(axes: Axes, curve: Curve, look: Look) -> None:
    if curve.band is not None:
        axes.fill_between(curve.x, *curve.band, color=look.colour, alpha=0.18, linewidth=0)
    if curve.seeds is not None and len(curve.seeds) > 1:
        axes.plot(curve.x, curve.seeds.T, color=look.colour, linestyle=look.line, linewidth=0.8, alpha=0.45)
    every = max(1, len(curve.x) // 6)
    style = {"color": look.colour, "linestyle": look.line, "marker": look.marker, "markevery": every}
    axes.plot(curve.x, curve.centre, mec="white", mew=0.6, **style)


def _curve_notes(study: Study, panels: Sequence[Panel], resampling: Resampling) -> list[str]:
    curves = [curve for panel in panels for curve in panel.curves.values()]
    notes = [_sample(study)]
    if any(curve.band for curve in curves):
        notes.append(f"bands: 95 % stratified bootstrap intervals, {resampling.repetitions} resamples")
    if any(curve.seeds is not None and len(curve.seeds) > 1 for curve in curves):
        notes.append("thin lines: single seeds, thick: over seeds")
    absent = sorted({f"{method} ({panel.title}, {panel.x_label})" for panel in panels for method in panel.absent})
    notes += [f"not drawn, as its runs share no point: {where}" for where in absent]
    return [*notes, *_cautions(study)]


def _share_height(percents: Sequence[Axes]) -> None:
    top = max((axes.get_ylim()[1] for axes in percents), default=0.0)
    for axes in percents:
        axes.set_ylim(0, min(100.0, top))


def _legend(figure: Figure, look: Mapping[str, Look]) -> None:
    handles = [
        Line2D([], [], color=each.colour, linestyle=each.line, marker=each.marker, mec="white", mew=0.6, label=method)
        for method, each in look.items()
    ]
    columns = max(1, min(len(handles), int(figure.get_figwidth() * 10 / (8 + max(map(len, look))))))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns)


def _sample(study: Study) -> str:
    counts = sorted({len(seeds) for seeds in study.seeds.values()})
    seeds = "1 seed" if counts == [1] else f"{'–'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seeds"
    games = study.games[0] if len(study.games) == 1 else f"{len(study.games)} games"
    return f"{seeds} × {games} per method, scale {study.scale}"


def _cautions(study: Study) -> list[str]:
    cautions = study.warnings()
    if study.left_out:
        cautions.append(f"{len(study.left_out)} cells (game × seed) left out")
    return cautions


def _finish(figure: Figure, notes: Sequence[str], path: Path) -> None:
    width = int(figure.get_figwidth() * 16.5)
    text = ". ".join(note[0].upper() + note[1:] for note in notes) + "."
    figure.supxlabel(textwrap.fill(text, width), x=0.01, ha="left", **CAPTION)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png")
