"""Panels beside each other, upright bars, metrics as lines, and tables: their numbers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.figures.base import Source, Width
from redo_lab.analysis.figures.beside import Layout
from redo_lab.analysis.recipes import read
from redo_lab.analysis.score_table import collect
from redo_lab.cli import main
from redo_lab.runs.table import load
from tests.helpers.studies import make_run

RANKS = {"none": (440.0, 450.0, 460.0), "redo": (470.0, 471.0, 472.0)}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """2 methods × 2 games × 3 seeds, dormant 1 % and 2 % at τ = 0.1, ranks as in RANKS."""
    root = tmp_path / "runs" / "study"
    for method, ranks in RANKS.items():
        for game in ("pong", "breakout"):
            for seed, rank in enumerate(ranks):
                extra = {"rank/dense_srank": rank} | {f"score_batches/total_{n}": n + seed for n in (32, 64)}
                make_run(
                    root, method, game, seed, [0.0, 10.0 + seed], extra=extra, settings={"network": {"width": 0.5}}
                )
    return root


def draw(recipe: str, runs: Path, folder: Path, *words: str) -> pl.DataFrame:
    path = folder / "mine.yaml"
    path.write_text(recipe)
    assert main(["figure", str(path), str(runs), "-o", str(folder), "--format", "svg", *words]) == 0
    return pl.read_csv(folder / "mine.csv")


def refused(recipe: str, runs: Path, folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(recipe)
    assert main(["figure", str(path), str(runs), "-o", str(folder), *words]) == 2
    return capsys.readouterr().err


BESIDE = """# Mine.
by: [recycler]
where: game=pong | game=breakout
layout: {width: column, columns: 2}
panels:
  bars: {use: columns}
  curves:
    use: dormancy
    where: game=pong
    figure: {metrics: [dormant/total_tau0p1]}
"""


def test_panels_share_what_stands_above_them_and_each_has_its_own_runs(runs: Path, tmp_path: Path) -> None:
    rows = draw(BESIDE, runs, tmp_path, "--repetitions", "20")
    bars, curves = rows.filter(part=1), rows.filter(part=2)
    assert bars.select("method", "aggregate").rows() == [("none", "iqm"), ("redo", "iqm")]
    assert set(curves["games"]) == {"pong"}
    assert set(curves["value"]) == {1.0}
    text = (tmp_path / "mine.txt").read_text()
    assert text.startswith("Panel 1: 3 seeds × 2 games per method, atari, scale paper. Panel 2: 3 seeds × Pong")
    assert text.count("Fewer than 5 seeds") == 1


def test_panels_stand_row_by_row_and_say_what_their_neighbours_do_not(runs: Path) -> None:
    table = load([runs])
    source = Source(collect(table), table, Resampling(20, 0))
    parts = [read(name).alone.kind.panes(source) for name in ("dormancy", "learning_curves", "columns")]  # type: ignore[attr-defined]
    figure = Layout(Layout.Config(Width.page, columns=2)).draw(parts).figure
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in shown] == ["Breakout", "Pong", "Breakout", "Pong", ""]
    assert [axes.get_ylabel().split(" ")[0] for axes in shown] == ["dormant", "", "evaluation", "", "IQM"]
    assert [axes.get_xlabel() for axes in shown] == [
        "gradient steps",
        "gradient steps",
        "agent steps",
        "agent steps",
        "",
    ]


def test_a_figure_of_panels_stands_in_no_report() -> None:
    with pytest.raises(ValueError, match="several panels is drawn by `redo-lab figure` alone"):
        _ = read("fig9").alone


def test_a_table_is_mean_and_standard_deviation_over_seeds_in_every_form(runs: Path, tmp_path: Path) -> None:
    words = ["--where", "game=pong", "--repetitions", "20"]
    rows = draw("# Mine.\nuse: table7\nruns: null\n", runs, tmp_path, *words)
    assert rows.select("row", "mean", "spread", "seeds").rows() == [("none", 450, 10, 3), ("redo", 471, 1, 3)]
    assert (tmp_path / "mine.md").read_text() == (
        "| method | effective rank |\n| --- | ---: |\n| none | 450 ± 10 |\n| redo | 471.0 ± 1.0 |\n"
    )
    assert (tmp_path / "mine.tex").read_text() == "\n".join([
        r"\begin{tabular}{lr}", r"\toprule", r"method & effective rank \\", r"\midrule", r"none & 450 $\pm$ 10 \\",
        r"redo & 471.0 $\pm$ 1.0 \\", r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip
    assert "mean ± standard deviation over seeds" in (tmp_path / "mine.txt").read_text()
    assert (tmp_path / "mine.svg").is_file()


def test_a_table_of_standard_errors_divides_by_the_root_of_the_seeds(runs: Path, tmp_path: Path) -> None:
    recipe = "# Mine.\nuse: table7\nfigure: {spread: standard_error}\n"
    rows = draw(recipe, runs, tmp_path, "--where", "game=pong", "--repetitions", "20")
    assert rows["spread"].to_list() == pytest.approx([10 / 3**0.5, 1 / 3**0.5])


def test_a_table_has_a_row_for_each_value_of_a_setting_and_a_column_for_each_method(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for method in RANKS:
        for seed in range(3):
            make_run(
                runs, method, "pong", seed, [1.0, 20.0 + seed], settings={"network": {"width": 0.25}}, replay_ratio=1
            )
    recipe = "# Mine.\nuse: table\nby: [recycler, network.width]\nfigure: {rows: network.width}\n"
    draw(recipe, runs, tmp_path, "--where", "game=pong", "--repetitions", "20")
    assert (tmp_path / "mine.md").read_text().splitlines() == [
        "| width | none | redo |", "| --- | ---: | ---: |", "| 0.25 | 21.0 ± 1.0 | 21.0 ± 1.0 |",
        "| 0.5 | 11.0 ± 1.0 | 11.0 ± 1.0 |",
    ]  # fmt: skip
    wide = "# Mine.\nuse: table\nby: [recycler]\nwhere: network.width=0.5\nfigure: {rows: network.width}\n"
    assert "is of one game" in refused(wide, runs, tmp_path, capsys)


def test_metrics_are_lines_of_one_method(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = "# Mine.\nuse: fig24\nruns: null\n"
    rows = draw(recipe, runs, tmp_path, "--where", "recycler=none", "--repetitions", "20")
    ends = rows.filter(updates=1000).select("game", "line", "value").rows()
    assert ends == [(g, f"batch of {n}", n + 1.0) for g in ("breakout", "pong") for n in (32, 64)]
    assert "runs of one method, not of none, redo" in refused(recipe, runs, tmp_path, capsys)


def test_a_kind_without_panels_can_not_stand_beside_others(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = "# Mine.\nlayout: {width: page, columns: 1}\npanels: {one: {use: profiles}}\n"
    assert "Profiles can't stand beside other panels" in refused(recipe, runs, tmp_path, capsys)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("use: iqm\nat: {paper: {whre: x}}\n", "no such key 'whre'.*where"),
        ("use: iqm\nat: {paper: {report: 3}}\n", "no such key 'report'"),
        ("use: iqm\nat: [paper]\n", "at must be a mapping of names to mappings"),
        ("panels: {one: {layout: 3}}\nlayout: {width: page, columns: 1}\n", "no such key 'layout'"),
        ("panels: {one: {use: iqm}}\n", "a value is missing: give layout.columns=…, layout.width"),
        ("panels: {one: {use: iqm}}\nlayout: {width: page, columns: 0}\n", "columns must be ≥ 1"),
        ("use: [iqm, lists/absent]\n", "no figure 'lists/absent'"),
        ("use: mine\n", "no figure 'mine'"),
        ("use: other\n", "use: 'mine' uses this file"),
    ],
)
def test_a_mistake_in_a_figure_is_named(recipe: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("use: mine\n")
    (tmp_path / "mine.yaml").write_text(recipe)
    with pytest.raises(ValueError, match=said):
        read(str(tmp_path / "mine.yaml"), "paper")


def test_conditions_of_all_that_is_used_hold_and_a_scale_replaces_a_files_own(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("where: a=1\nat: {laptop: {where: a=2}}\n")
    (tmp_path / "mine.yaml").write_text(
        "# Mine.\nuse: [iqm, list]\nwhere: b=1\nat: {laptop: {where: null, figure: {width: page}}}\n"
    )
    paper, laptop = (read(str(tmp_path / "mine.yaml"), scale).alone for scale in ("paper", "laptop"))
    assert (paper.where, laptop.where) == ("(a=1) & (b=1)", "(a=2)")
    assert [one.kind.config.width.value for one in (paper, laptop)] == ["column", "page"]  # type: ignore[attr-defined]


def test_a_figure_without_runs_says_which_sweep_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["figure", "fig13"]) == 2
    assert capsys.readouterr().err == (
        "redo-lab figure: runs/dqn17: no such directory; `redo-lab sweep fig13` makes these runs\n"
    )
    assert main(["figure", "iqm"]) == 2
    assert "which runs? Give a run directory" in capsys.readouterr().err
