"""The probability that a run of one method beats a run of another at the same game (Agarwal et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes

from redo_lab.analysis.aggregate import Estimate, difference, improvement
from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas, shortened
from redo_lab.analysis.figures.intervals import interval
from redo_lab.analysis.looks import CAPTION_POINTS, FONT_POINTS, STYLE, Look, looks
from redo_lab.analysis.sheet import current
from redo_lab.config import require

ONE_LINE = 24
"""So many letters of a pair are in one line."""
ROW_INCHES = (0.19, 0.27)
"""The height of a row whose words are one line, or two."""


class Improvement:
    """A row for each pair of methods: the later one against the earlier one."""

    @dataclass
    class Config:
        """against: only pairs with this method; None: all pairs. most: pairs drawn at most, the first."""

        width: Width
        against: str | None
        most: int

        def __post_init__(self) -> None:
            require(self.most >= 1, f"most must be ≥ 1, got {self.most}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """The numbers beside it hold the difference of the IQMs, too."""
        score_table = source.score_table
        base = None if self.config.against is None else current().method(self.config.against)
        if base is not None and base not in score_table.methods:
            raise ValueError(f"no method '{base}' among {', '.join(score_table.methods)}")
        pairs = [(y, x) for x, y in combinations(score_table.methods, 2)]
        pairs = [(y, x) if x == base else (x, y) for x, y in pairs if base is None or base in (x, y)]
        if not pairs:
            raise ValueError("the probability of improvement needs at least two methods")
        omissions, pairs = len(pairs[self.config.most :]), pairs[: self.config.most]
        sign, relation = (1, ">") if score_table.score.higher_is_better else (-1, "<")
        look, rows = looks(score_table.methods), []
        with mpl.rc_context(STYLE):
            names = _names(pairs, relation)
            lines = max(name.count("\n") + 1 for name in names)
            figure, ((axes,),) = canvas(self.config.width, 0.6 + ROW_INCHES[lines - 1] * len(pairs))
            for at, (x, y) in enumerate(pairs):
                scores = (x, score_table.scores[x]), (y, score_table.scores[y])
                better = (x, sign * scores[0][1]), (y, sign * scores[1][1])
                won = improvement(*better, source.resampling)
                more = difference(*scores, source.resampling)
                estimates = {"probability": won.value, "low": won.low, "high": won.high}
                estimates |= {"iqm_difference": more.value, "difference_low": more.low, "difference_high": more.high}
                rows.append({"method": x, "against": y, **estimates})
                _row(axes, at, won, look[x])
            axes.axvline(0.5, color="#888888", linewidth=0.8, linestyle=(0, (2, 2)))
            axes.set_yticks(range(len(pairs)), names, fontsize=FONT_POINTS if lines == 1 else CAPTION_POINTS)
            axes.set_ylim(len(pairs) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
            axes.set_xlim(-0.03, 1.03)
            axes.grid(axis="x")
            axes.set_xlabel(f"P(X {relation} Y)")
        notes = [f"bars: {source.resampling.described}"] if any(row["low"] is not None for row in rows) else []
        notes += [f"{omissions} more pairs are not drawn"] if omissions else []
        return Drawing(figure, pl.DataFrame(rows, infer_schema_length=None), notes)


def _names(pairs: Sequence[tuple[str, str]], relation: str) -> list[str]:
    """In two lines where one would leave no room for the drawing."""
    longest = max(len(x) + len(y) for x, y in pairs) + 3
    gap = f" {relation} " if longest <= ONE_LINE else f"\n{relation} "
    return [f"{shortened(x)}{gap}{shortened(y)}" for x, y in pairs]


def _row(axes: Axes, at: int, won: Estimate, look: Look) -> None:
    if won.low is not None and won.high is not None:
        axes.plot([won.low, won.high], [at, at], color=look.colour, linewidth=5, alpha=0.3, solid_capstyle="butt")
    axes.plot(won.value, at, look.marker, color=look.colour, mec="white", mew=0.6, markersize=5, zorder=4)
    interval(axes, won.low, won.high, at, look.colour)
