"""A table of last values as the paper prints it: a picture, LaTeX and Markdown (Tables 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas, game_title, shortened
from redo_lab.analysis.figures.cells import heads, rule, the_metric
from redo_lab.analysis.lines import last_values
from redo_lab.analysis.looks import STYLE
from redo_lab.analysis.methods import label_without, require_numbers
from redo_lab.analysis.summary import cell_text
from redo_lab.analysis.typeset import Content


class Spread(Enum):
    """What stands after ±."""

    standard_deviation = "standard deviation"
    standard_error = "standard error"

    def of(self, values: Sequence[float]) -> float | None:
        """With n − 1 below the line; None for a single value."""
        if len(values) < 2:
            return None
        deviation = float(np.std(values, ddof=1))
        return deviation if self is Spread.standard_deviation else deviation / float(np.sqrt(len(values)))


class Tables:
    """mean ± spread over seeds of a metric's last value (or last share of its values)."""

    @dataclass
    class Config:
        """metric: a name or a pattern that one metric matches; label: what it is.

        rows: the axis or setting of the rows, whose columns are the methods without it; None: a row for each method, a
        column for each game.
        """

        width: Width
        metric: str
        label: str
        last_share: float
        rows: str | None
        spread: Spread

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, source: Source) -> Drawing:
        """ValueError if several metrics match, or rows are a setting and the runs of several games or without it."""
        score_table, config = source.score_table, self.config
        metric = the_metric(config.metric, source)
        if config.rows is not None and len(score_table.games) > 1:
            raise ValueError(f"a table with a row for each {config.rows} is of one game; choose: --where game=…")
        if config.rows is not None:
            require_numbers(score_table.runs, config.rows)
        data = self._data(source, metric)
        content = self._content(data)
        texts = {"tex": content.latex(), "md": content.markdown()}
        notes = [f"{config.label}: mean ± {config.spread.value} over seeds"]
        return Drawing(_picture(content, config.width, config.label), data, notes, texts, pooled=False)

    def _data(self, source: Source, metric: str) -> pl.DataFrame:
        """A line for each cell: its row, its column, mean and spread over seeds."""
        last = last_values(source.score_table, source.table, metric, self.config.last_share)
        places = {method: self._place(source, method) for method in source.score_table.methods}
        lines = []
        for method, (row, column) in places.items():
            for game in source.score_table.games:
                of_cell = last.filter((pl.col("method") == method) & (pl.col("game") == game))
                values = of_cell["value"].to_list()
                lines.append({
                    "row": row, "column": column or game_title(game), "game": game, "metric": metric,
                    "mean": float(np.mean(values)), "spread": self.config.spread.of(values), "seeds": len(values),
                })  # fmt: skip
        return pl.DataFrame(lines, infer_schema_length=None)

    def _place(self, source: Source, method: str) -> tuple[str, str | None]:
        if self.config.rows is None:
            return method, None
        run = source.score_table.runs.filter(pl.col("method") == method).row(0, named=True)
        return f"{run[self.config.rows]:g}", label_without(run, self.config.rows)

    def _content(self, data: pl.DataFrame) -> Content:
        cells: Mapping[tuple[str, str], str] = {
            (row, column): cell_text(mean, spread)
            for row, column, mean, spread in data.select("row", "column", "mean", "spread").iter_rows()
        }
        columns, rows = (list(dict.fromkeys(data[name])) for name in ("column", "row"))
        header = columns if self.config.rows is not None or len(columns) > 1 else [self.config.label]
        corner = "method" if self.config.rows is None else self.config.rows.rpartition(".")[2].replace("_", " ")
        return Content([corner, *header], [[row, *(cells.get((row, c), "–") for c in columns)] for row in rows])


def _picture(content: Content, width: Width, label: str) -> Figure:
    with mpl.rc_context(STYLE):
        figure, ((axes,),) = canvas(width, 0.5 + 0.19 * len(content.rows))
        axes.set_axis_off()
        texts = [[shortened(text) for text in row] for row in content.rows]
        table = axes.table(
            texts, colLabels=heads(content.header), colLoc="right", cellLoc="right", bbox=Bbox.from_bounds(0, 0, 1, 1)
        )
        rule(table, 7)
        axes.set_title(label)
    return figure
