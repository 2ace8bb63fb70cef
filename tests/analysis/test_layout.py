"""How figures are laid out: rows even, words apart, intervals above markers, the legend where there is room."""

from __future__ import annotations

import re
from itertools import combinations, product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.figures.base import Drawing, Source, Width, add_caption, canvas, caption, even, fitted, of_all
from redo_lab.analysis.figures.legends import even_columns
from redo_lab.analysis.looks import STYLE
from redo_lab.analysis.recipes import read
from redo_lab.analysis.score_table import collect
from redo_lab.runs.table import load
from tests.helpers.studies import make_long_names, make_run

GAMES = ("asterix", "breakout", "demon_attack", "pong", "qbert", "seaquest")
METHODS = ("none", "redo", "reset", "weight_decay")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """4 methods × 2 replay ratios × 6 games × 5 seeds: eight long names."""
    root = tmp_path_factory.mktemp("layout") / "study"
    make_long_names(root, METHODS, GAMES, 5)
    table = load([root])
    return Source(collect(table, ["recycler", "replay_ratio"]), table, Resampling(50, 0))


def drawn(source: Source, name: str) -> Drawing:
    drawing = read(name).alone.kind.draw(source)
    FigureCanvasAgg(drawing.figure).draw()
    return drawing


def panels(figure: Figure) -> list[tuple[float, float]]:
    """Left and lower corner of every panel that shows something."""
    boxes = [axes.get_position() for axes in figure.axes if axes.axison]
    return [(round(float(box.x0), 2), round(float(box.y0), 2)) for box in boxes]


def words(figure: Figure) -> list[Text]:
    """All that is written; ticks outside of their axis have labels, too, which aren't drawn."""
    outside = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        outside |= {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in outside]
    return [text for text in texts if text.get_visible() and text.get_text()]


def collisions(figure: Figure) -> list[tuple[str, str]]:
    """Every two pieces of text that lie on one another."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in words(figure)]
    return [
        (one, other)
        for (one, first), (other, second) in combinations(boxes, 2)
        if min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    ]


def test_panels_stand_in_even_rows() -> None:
    assert [even(count, 4) for count in (1, 4, 5, 6, 7, 8, 9, 17)] == [1, 4, 3, 3, 4, 4, 3, 4]
    assert [even_columns(count, 3) for count in (2, 3, 4, 6, 7, 8)] == [2, 3, 2, 3, 3, 2]


def test_six_games_are_two_rows_of_three(source: Source) -> None:
    figure = drawn(source, "learning_curves").figure
    corners = panels(figure)
    assert len(corners) == 6
    assert len({x for x, _ in corners}) == 3
    assert len({y for _, y in corners}) == 2


def test_a_free_place_holds_the_legend_and_a_full_grid_has_it_above(source: Source) -> None:
    games = list(GAMES[:5])
    table = source.table.where(pl.col("game").is_in(games))
    five = Source(collect(table, ["recycler", "replay_ratio"]), table, source.resampling)
    figure = drawn(five, "learning_curves").figure
    (spare,) = [axes for axes in figure.axes if not axes.axison]
    legend = spare.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 8
    assert not figure.legends
    inside, place = legend.get_window_extent(), spare.get_window_extent()
    assert place.y0 - 15 < inside.y0 < inside.y1 < place.y1 + 15
    assert len(drawn(source, "learning_curves").figure.legends) == 1


@pytest.mark.parametrize(
    "name",
    ["iqm", "aggregates", "against_replay_ratio", "improvement", "learning_curves", "dormancy", "dormancy_layers",
     "efficiency", "rank", "final_return", "profiles"],
)  # fmt: skip
def test_no_words_lie_on_one_another(source: Source, name: str) -> None:
    drawing = drawn(source, name)
    assert collisions(drawing.figure) == []
    if drawing.narrow is not None:
        narrow = drawing.narrow()
        FigureCanvasAgg(narrow).draw()
        assert narrow.get_figwidth() == 3.25
        assert collisions(narrow) == []


@pytest.mark.parametrize("name", ["iqm", "aggregates", "against_replay_ratio", "improvement"])
def test_every_interval_is_above_the_markers_and_its_ends_are_longer(source: Source, name: str) -> None:
    lines = [line for line in drawn(source, name).figure.findobj(Line2D) if isinstance(line, Line2D) and line.axes]
    intervals = [line for line in lines if line.get_marker() in ("|", "_")]
    markers = [line for line in lines if line.get_marker() in ("o", "s", "^", "D", "v", "P", "X", "<")]
    assert len(intervals) >= 8
    for one in intervals:
        points = [marker for marker in markers if marker.axes is one.axes and at_the_place_of(one, marker)]
        assert points, "an interval stands where the estimate of its own colour does"
        assert all(one.get_zorder() > point.get_zorder() for point in points)
        assert all(one.get_markersize() > point.get_markersize() for point in points)


def at_the_place_of(interval: Line2D, marker: Line2D) -> bool:
    """Whether `marker` has the colour of `interval` and a point at its place, across the direction it goes in."""
    across = 0 if interval.get_marker() == "_" else 1
    bounds, places = (np.asarray(line.get_data(), float) for line in (interval, marker))
    assert bounds[across][0] == bounds[across][1]
    assert bounds[1 - across][0] <= bounds[1 - across][1]
    return interval.get_color() == marker.get_color() and bool(np.isclose(places[across], bounds[across][0]).any())


def test_captions_say_what_lines_are_of(source: Source, tmp_path: Path) -> None:
    def text(name: str) -> str:
        return of_all([source.score_table], drawn(source, name).notes)

    assert "Lines: mean of seeds. Bands:" in text("learning_curves")
    assert "Lines: IQM of seeds and games." in text("efficiency")
    assert "Lines: mean of seeds and games." in text("dormancy_layers")
    assert re.search(r"Mean ± standard error over seeds", text("final_return"))


def test_the_same_sample_of_several_panels_is_said_once(source: Source) -> None:
    other = collect(source.table.where(pl.col("game") == "pong"), ["recycler", "replay_ratio"])
    table = source.score_table
    text = of_all([table, table, other], [])
    assert text.startswith("Panels 1, 2: 5 seeds × 6 games per method")
    assert "Panel 3: 5 seeds × Pong per method" in text


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Two games whose returns have no reference; on one of them no neuron was ever dormant, on the other some were."""
    root = tmp_path_factory.mktemp("raw")
    for game, seed in product(("asterix", "breakout"), range(5)):
        neurons = float(game == "breakout")
        extra = {"overlap/total_historical_tau0": neurons, "overlap/total_neurons_tau0": neurons}
        make_run(root, "none", game, seed, [1.0, 2.0], suite="minatar", dormant=3.0, extra=extra)
    table = load([root])
    return Source(collect(table), table, Resampling(50, 0))


def test_only_figures_that_average_games_say_that_large_values_dominate(raw: Source) -> None:
    names = ("efficiency", "learning_curves", "iqm", "overlap", "final_return")
    texts = {name: caption(raw.score_table, drawn(raw, name)) for name in names}
    assert [name for name, text in texts.items() if "games with large values dominate" in text] == ["efficiency", "iqm"]


def test_an_axis_of_small_percentages_ends_at_one(raw: Source) -> None:
    figure = drawn(raw, "dormancy").figure
    assert [axes.get_ylim() for axes in figure.axes if axes.axison] == [(0, 1), (0, 1)]


def test_a_panel_without_a_line_says_so_and_has_no_ticks(raw: Source) -> None:
    figure = drawn(raw, "overlap").figure
    empty, other = (axes for axes in figure.axes if axes.axison)
    assert [text.get_text() for text in empty.texts] == ["nothing to draw"]
    assert (list(empty.get_xticks()), list(empty.get_yticks()), list(other.texts)) == ([], [], [])
    assert list(other.get_xticks())


def test_a_label_is_broken_to_fit_and_numbers_stay_with_their_letter() -> None:
    assert fitted("dormant (%), τ = 0.025", 1.0).splitlines() == ["dormant (%),", "τ\xa0=\xa00.025"]
    assert fitted("IQM of\nhuman-normalised score", 5.0) == "IQM of\nhuman-normalised score"


@pytest.mark.parametrize("letters", ["00000000 ", "a word and another ", "WWWW ", "8a16fb6de3, then 4230d85ffb "])
def test_no_line_of_a_caption_is_wider_than_the_figure(letters: str) -> None:
    with mpl.rc_context(STYLE):
        figure, _ = canvas(Width.column, 2.0)
        figure.set_dpi(300)
        add_caption(figure, letters * 40)
        FigureCanvasAgg(figure).draw()
    (caption,) = [text for text in figure.texts if letters.strip() in text.get_text()]
    box = caption.get_window_extent()
    assert 0.8 * figure.bbox.width < box.width < box.x1 <= figure.bbox.width
