"""What all figures share: what they draw from, what they leave behind, captions and legends."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol, runtime_checkable

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.looks import CAPTION_POINTS, COLUMN_INCHES, FONT_POINTS, PAGE_INCHES, STYLE, Look
from redo_lab.analysis.methods import games_text
from redo_lab.analysis.output import whole_file, without_formulas
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.analysis.sheet import current
from redo_lab.runs.table import Table

PNG_DPI = 300
FORMATS = ("pdf", "svg", "png")
LONGEST_NAME = 36


class Width(Enum):
    """Of a figure in a paper of two columns."""

    column = "column"
    page = "page"

    @property
    def inches(self) -> float:
        return COLUMN_INCHES if self is Width.column else PAGE_INCHES


@dataclass(frozen=True)
class Source:
    """What a figure is drawn from. smooth: points that a curve is averaged over; 1: none."""

    score_table: ScoreTable
    table: Table
    resampling: Resampling
    smooth: int = 1


@dataclass(frozen=True)
class Drawing:
    """A drawn figure, the numbers in it, and what its caption must say beside what any figure of these runs says.

    texts: more files, by ending: the same as LaTeX. narrow: the same as wide as a column, for a narrow page.
    pooled: scores of several games are averaged in it, if there are several.
    """

    figure: Figure
    data: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    texts: Mapping[str, str] = field(default_factory=dict)
    narrow: Callable[[], Figure] | None = None
    pooled: bool = True


@dataclass(frozen=True)
class Pane:
    """One panel: its words, and what paints it, given how each method looks."""

    title: str
    x_label: str
    y_label: str
    paint: Callable[[Axes, Mapping[str, Look]], None]


@dataclass(frozen=True)
class Panes:
    """Panels that any figure can hold: names: what its legend explains; data, notes and pooled: as of a Drawing."""

    panes: list[Pane]
    names: list[str]
    data: pl.DataFrame
    notes: list[str]
    pooled: bool = True


class Kind(Protocol):
    """A kind of figure: built from its YAML, draws any scores; ValueError where the runs don't hold what it needs."""

    def draw(self, source: Source) -> Drawing: ...


@runtime_checkable
class PaneKind(Protocol):
    """A kind whose panels can stand beside others'."""

    def panes(self, source: Source) -> Panes: ...


def save(
    drawing: Drawing, text: str, folder: Path, name: str, formats: Sequence[str], *, bare: bool = False
) -> list[Path]:
    """Writes `name` in each format, its numbers as CSV and its caption `text`; `bare`: no caption inside the figure.

    The width is that of the figure to the point; the caption adds to its height.
    """
    paths = [folder / f"{name}.{ending}" for ending in (*formats, *drawing.texts, "csv", "txt")]
    with mpl.rc_context(STYLE):
        if not bare:
            add_caption(drawing.figure, text)
        for path in paths[: len(formats)]:
            with whole_file(path) as temporary:
                # No date: the same runs give the same file.
                metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(path.suffix[1:])
                drawing.figure.savefig(temporary, dpi=PNG_DPI, format=path.suffix[1:], metadata=metadata)
    for path, content in zip(paths[len(formats) :], drawing.texts.values(), strict=False):
        with whole_file(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    with whole_file(paths[-2]) as temporary:
        without_formulas(drawing.data).write_csv(temporary)
    with whole_file(paths[-1]) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return paths


def caption(score_table: ScoreTable, drawing: Drawing) -> str:
    """Sentences: the sample, the drawing's notes, warnings, and what was left out."""
    return of_all([score_table], drawing.notes, pooled=drawing.pooled)


def of_all(score_tables: Sequence[ScoreTable], notes: Sequence[str], *, pooled: bool = True) -> str:
    """The caption of panels of several score tables, each sentence once."""
    each = [sample(score_table) for score_table in score_tables]
    if len(set(each)) > 1:
        each = [f"{_panels(each, text)}: {text}" for text in dict.fromkeys(each)]
    warnings = [line for table in score_tables for line in (*table.warnings(pooled=pooled), *table.missing())]
    sentences = dict.fromkeys([*each, *notes, *warnings])
    return ". ".join(note[0].upper() + note[1:] for note in sentences) + "."


def _panels(each: Sequence[str], text: str) -> str:
    """`panel 4`, or `panels 1, 2, 3`: those of which `each` says `text`."""
    numbers = [str(number) for number, other in enumerate(each, start=1) if other == text]
    return f"panel{'s' * (len(numbers) > 1)} {', '.join(numbers)}"


def sample(score_table: ScoreTable) -> str:
    """How many seeds and games, at which scale."""
    counts = sorted({len(seeds) for seeds in score_table.seeds.values()})
    seeds = "1 seed" if counts == [1] else f"{'–'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seeds"
    return f"{seeds} × {games_text(score_table.games)} per method, {score_table.suite}, scale {score_table.scale}"


def canvas(width: Width, height_inches: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with a grid of axes; drawn under STYLE."""
    figure = Figure(figsize=(width.inches, height_inches), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(row) for row in grid]


def add_caption(figure: Figure, text: str) -> None:
    """`text` below everything, the figure higher by its lines."""
    width, height = figure.get_size_inches()
    lines = _lines(text, width)
    figure.set_size_inches(width, height + len(lines) * 1.4 * CAPTION_POINTS / 72)
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=CAPTION_POINTS, color="#555555", linespacing=1.35)


def _lines(text: str, inches: float) -> list[str]:
    """`text` in lines that a caption of that width has room for, as wide as its letters are."""
    font, room = FontProperties(size=CAPTION_POINTS), 72 * 0.97 * inches
    letters = int(room / (0.5 * CAPTION_POINTS))
    while letters > 8:
        lines = textwrap.wrap(text, letters)
        if all(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] <= room for line in lines):
            break
        letters -= 1
    return textwrap.wrap(text, letters)


def even(count: int, most: int) -> int:
    """How many of `count` panels stand side by side, at most `most`: as few rows as possible, as even as possible."""
    return math.ceil(count / math.ceil(count / most))


def fitted(label: str, inches: float) -> str:
    """`label` in lines of at most that length, so that it doesn't run into its neighbour; "τ = 0.1" stays together."""
    letters = max(8, int(inches * 72 / (0.56 * FONT_POINTS)))
    lines = label.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}").splitlines()
    return "\n".join(part for line in lines for part in textwrap.wrap(line, letters, break_long_words=False))


def plain_axes(axes: Axes, *, logarithmic: bool = False) -> None:
    """Few ticks, large numbers as 10k or 2M, a grid to read values off; logarithmic: values go up by factors."""
    axes.grid(axis="y")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(_short)
    axes.yaxis.set_major_formatter(_short)


def _short(value: float, _position: float = 0.0) -> str:
    return EngFormatter(sep="")(value) if abs(value) >= 1000 else f"{value:g}"


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """`name` in at most `longest` letters, its two ends: longer names would leave no room for the drawing."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def game_title(game: str) -> str:
    """`demon_attack` → Demon Attack, or as the style sheet has it."""
    return shortened(current().game(game))
