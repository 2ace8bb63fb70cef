"""Every figure and table of the paper is drawn of exactly its sweep's runs, whatever else lies beside them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from redo_lab.analysis import sources
from redo_lab.analysis.figures.base import Drawing, Source
from redo_lab.analysis.recipes import FIGURES, names, read
from redo_lab.analysis.selection import narrowed
from redo_lab.commands import sweep
from redo_lab.commands.figure import parser
from redo_lab.runs.table import Table
from tests.helpers.made_up import MadeUp, experiments

IDS = (*(f"fig{n}" for n in range(1, 31) if n not in (4, 8)), "table6", "table7")
PARTS = (
    "fig10_dqn",
    "fig10_nstep3",
    "fig10_resnet",
    "fig10_drq",
    "methods_by_replay_ratio",
    "fig3_recyclers",
    "fig3_digits",
)

Draw = Callable[..., tuple[Drawing, list[Source]]]


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Draw:
    """`redo-lab figure NAME --where …` of made-up runs."""

    def drawn(made_up: MadeUp, name: str, where: str | None = None) -> tuple[Drawing, list[Source]]:
        def table_of(given: argparse.Namespace, default: Path) -> Table:
            return narrowed(made_up.tables[default.name], given.where)

        monkeypatch.setattr(sources, "table_of", table_of)
        monkeypatch.setattr(sources, "_runs_of", lambda place, figure: place and Path(place))
        words = ["--repetitions", "20", *(["--where", where] if where else [])]
        return sources.drawn(parser().parse_args([name, *words]))

    return drawn


def runs_of(each: list[Source]) -> set[str]:
    return {directory for source in each for directory in source.score_table.runs["directory"]}


@pytest.mark.parametrize("scale", ["paper", "laptop"])
def test_every_figure_is_drawn_of_exactly_the_runs_of_its_sweep(scale: str, draw: Draw) -> None:
    """The runs of all sweeps lie in their experiments."""
    made_up = MadeUp([*IDS, *PARTS], [scale])
    for name in (*IDS, *PARTS):
        drawing, each = draw(made_up, name)
        assert runs_of(each) == made_up.asked[name, scale], name
        assert drawing.data.height > 0, name
        assert not any("not drawn" in note for note in drawing.notes), name
        plt.close("all")


def test_of_several_scales_the_papers_is_drawn_unless_a_condition_says_otherwise(draw: Draw) -> None:
    made_up = MadeUp(["fig9"], ["paper", "laptop", "smoke"])
    assert runs_of(draw(made_up, "fig9")[1]) == made_up.asked["fig9", "paper"]
    assert runs_of(draw(made_up, "fig9", "scale=laptop")[1]) == made_up.asked["fig9", "laptop"]
    with pytest.raises(ValueError, match=r"several scales \(laptop, smoke\); choose: --where scale=laptop"):
        draw(made_up, "fig9", "scale!=paper")


def test_a_scale_of_which_only_another_figures_runs_lie_there_is_none_of_this_figure(draw: Draw) -> None:
    made_up = MadeUp(["fig9"], ["laptop"])
    other = MadeUp(["fig22"], ["paper"])
    both = MadeUp([], [])
    both.tables = {"dqn17": experiments([made_up, other])["dqn17"]}
    assert runs_of(draw(both, "fig9")[1]) == made_up.asked["fig9", "laptop"]


def test_panels_are_all_of_one_scale(draw: Draw) -> None:
    made_up, other = MadeUp(PARTS[:3], ["laptop"]), MadeUp(PARTS[3:4], ["smoke"])
    both = MadeUp([], [])
    both.tables = experiments([made_up, other])
    with pytest.raises(ValueError, match=r"no scale has runs for every panel .*dqn17: laptop.*drq: smoke"):
        draw(both, "fig10")


def test_every_id_has_a_sweep_and_a_figure_and_every_figures_runs_are_those_of_a_sweep() -> None:
    assert {*IDS} <= set(sweep.names()) & set(names())
    places = {line for path in sweep.SWEEPS.rglob("*.yaml") for line in path.read_text().splitlines()}
    for name in names():
        assert (FIGURES / f"{name}.yaml").read_text().startswith("# ")
        for panel in read(name).panels:
            assert panel.runs is None or f"  experiment: {panel.runs}" in places
