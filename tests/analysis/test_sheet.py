"""What methods and games are called, and in which order, colours and titles: for readers only, no number changes."""

from __future__ import annotations

from pathlib import Path

import matplotlib.colors
import polars as pl
import pytest

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.figures.automatic import drawings
from redo_lab.analysis.figures.base import Source
from redo_lab.analysis.looks import COLOURS, LINES, looks
from redo_lab.analysis.score_table import ScoreTable
from redo_lab.analysis.selection import resampling_of, scores_of
from redo_lab.analysis.sheet import Sheet, applied, current, read
from redo_lab.cli import main
from redo_lab.commands.figure import parser
from redo_lab.runs.table import load
from tests.helpers.studies import make_run

OURS = Sheet(names={"none": "DQN", "redo": "ReDo, ours", "redo, RR 2": "Twice"})


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """2 methods × 2 replay ratios × Pong and James Bond × 5 seeds."""
    monkeypatch.chdir(tmp_path)
    for ratio in (1.0, 2.0):
        for method, base in (("none", 1.0), ("redo", 2.0)):
            for game in ("pong", "jamesbond"):
                for seed in range(5):
                    scores = [base * (1 + 0.1 * seed) * done / ratio for done in range(1, 5)]
                    make_run(tmp_path / "runs", method, game, seed, scores, steps=400, replay_ratio=ratio)
    return tmp_path / "runs"


def rows(name: str, *words: str) -> pl.DataFrame:
    assert main(["figure", name, "runs", "-o", ".", "--repetitions", "100", "--format", "svg", *words]) == 0
    return pl.read_csv(f"{name}.csv")


@pytest.mark.parametrize("label", ["none", "redo", "redo, RR 2", "redo, RR 1", "none, l2_init, RR 2", "reset"])
def test_a_name_leads_back_to_its_method(label: str) -> None:
    assert OURS.plain(OURS.method(label)) == label


def test_parts_of_a_method_are_named_and_a_whole_name_goes_before_them() -> None:
    assert [OURS.method(label) for label in ("none, RR 1", "redo, RR 1", "redo, RR 2")] == [
        "DQN, RR 1", "ReDo, ours, RR 1", "Twice",
    ]  # fmt: skip


def test_games_are_called_as_the_ale_writes_them() -> None:
    games = ["qbert", "jamesbond", "demon_attack", "wizard_of_wor", "ms_pacman", "HalfCheetah-v4", "halfcheetah"]
    assert [current().game(game) for game in games] == [
        "Q*bert", "James Bond", "Demon Attack", "Wizard of Wor", "Ms. Pac-Man", "HalfCheetah-v4", "HalfCheetah",
    ]  # fmt: skip
    assert Sheet(names={"qbert": "Q"}).over(current()).game("qbert") == "Q"


def test_names_change_no_number(runs: Path) -> None:
    plain = rows("iqm")
    called = rows("iqm", "--names", "none=DQN", "redo=ReDo", "redo, RR 2=Twice")
    assert called["method"].to_list() == ["DQN, RR 1", "DQN, RR 2", "ReDo, RR 1", "Twice"]
    assert called.drop("method").equals(plain.drop("method"))


def test_the_order_of_a_sheet_is_that_of_rows_and_lines(runs: Path) -> None:
    Path("looks.yaml").write_text("order: [redo, 'none, RR 2']\n")
    assert rows("iqm", "--looks", "looks.yaml")["method"].to_list() == [
        "redo, RR 1", "redo, RR 2", "none, RR 2", "none, RR 1",
    ]  # fmt: skip
    assert rows("against_replay_ratio", "--looks", "looks.yaml")["method"].to_list() == ["redo", "redo", "none", "none"]


def test_a_method_keeps_its_look_under_any_name_and_takes_the_colour_of_the_sheet() -> None:
    methods = ["none", "redo, RR 1", "redo, RR 2"]
    plain = looks(methods)
    with applied(OURS.over(current())):
        assert list(looks([OURS.method(method) for method in methods]).values()) == list(plain.values())
    with applied(Sheet(colours={"redo": "#117733", "redo, RR 2": "#AA3377"}, places={"none": 5}).over(current())):
        own = looks(methods)
    assert own["redo, RR 2"].colour == "#AA3377"
    assert (own["redo, RR 1"].line, own["redo, RR 1"].marker) == (plain["redo, RR 1"].line, plain["redo, RR 1"].marker)
    assert own["redo, RR 1"].colour != plain["redo, RR 1"].colour
    assert (own["none"].colour, own["none"].line) == (COLOURS[5], LINES[0])


def test_methods_that_have_one_place_in_the_sheet_differ_where_they_meet() -> None:
    together, alone = looks(["redo_scheduled", "redo", "reset", "reset_all"]), looks(["redo_scheduled", "none"])
    for column in zip(*together.values(), strict=True):
        assert len({str(one) for one in column}) == 4
    assert together["redo"] == alone["redo_scheduled"] == looks(["redo"])["redo"]


def test_a_figure_without_the_sheets_colour_is_drawn_in_it(runs: Path) -> None:
    Path("looks.yaml").write_text("colours: {redo: '#117733'}\n")
    rows("iqm", "--looks", "looks.yaml", "--where", "replay_ratio=1")
    assert "#117733" in Path("iqm.svg").read_text().lower()


def test_titles_stand_above_figures_and_on_axes(runs: Path) -> None:
    titles = {"learning_curves": "Ours", "evaluation return": "Return", "Pong": "Tennis for two"}
    table = load([runs])
    with applied(Sheet(titles=titles).over(current())):
        arguments = parser().parse_args(["learning_curves"])
        scores: ScoreTable = scores_of(arguments, table)
        source = Source(scores, table, resampling_of(arguments))
        ((_, title, drawing),) = drawings(["learning_curves"], source)
    assert not isinstance(drawing, str)
    assert title == "Ours"
    texts = [text.get_text() for axes in drawing.figure.axes for text in (axes.title, axes.yaxis.label)]
    assert texts == ["James Bond", "Return", "Tennis for two", ""]
    assert drawing.figure.legends[0].get_title().get_text() == "Ours"


def test_narrow_forms_of_figures_have_the_titles_too(runs: Path) -> None:
    titles = {"learning_curves": "Ours", "evaluation return": "Return", "Pong": "Tennis for two"}
    table = load([runs])
    with applied(Sheet(titles=titles).over(current())):
        source = Source(scores_of(parser().parse_args(["learning_curves"]), table), table, Resampling(20, 0))
        ((_, _, drawing),) = drawings(["learning_curves"], source)
        assert not isinstance(drawing, str)
        assert drawing.narrow is not None
        narrow = drawing.narrow()
    assert [axes.get_title() for axes in narrow.axes] == ["James Bond", "Tennis for two"]
    assert narrow.axes[0].get_ylabel() == "Return"
    assert narrow.legends[0].get_title().get_text() == "Ours"


def test_a_report_and_its_curves_have_the_names(runs: Path) -> None:
    words = ["--where", "replay_ratio=1", "--names", "none=DQN <3", "jamesbond=Bond", "--repetitions", "20"]
    assert main(["report", "runs", "-o", "report.html", *words]) == 0
    page = Path("report.html").read_text()
    data = page[page.index('{"methods":') :]
    assert data.startswith('{"methods":["DQN \\u003c3","redo"],"games":["Bond","Pong"],')
    assert ">Bond</td>" in page
    assert "IQM − IQM of DQN &lt;3" in page
    assert ">jamesbond</td>" not in page


def test_a_users_own_folder_lays_its_sheet_over_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "looks.yaml").write_text("colours: {mine: 5, redo: 6}\nnames: {mine: Mine}\n")
    monkeypatch.setenv("REDO_LAB_CONF", str(tmp_path))
    look = looks(["none", "Mine", "redo"])
    assert [look[name].colour for name in ("none", "Mine", "redo")] == [COLOURS[0], COLOURS[5], COLOURS[6]]
    assert current().game("qbert") == "Q*bert"
    assert matplotlib.colors.is_color_like(look["Mine"].colour)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colors: {none: 0}", r"no such key 'colors': did you mean 'colours'\?"),
        ("redo: 1", "no such key 'redo'"),
        ("colours: {none: blue}", "the colour of none must be '#RRGGBB' or its place in the palette, .* got 'blue'"),
        ("colours: {none: true}", "the colour of none must be .* got True"),
        ("colours: [none]", "colours must be a mapping"),
        ("names: {none: [a]}", "names must be a mapping of names to texts"),
        ("games: qbert", "games must be a mapping of names to texts, got 'qbert'"),
        ("order: redo", "order must be a list of methods, got 'redo'"),
        ("- none", "a file of looks has the keys names, order, colours, titles, games"),
        ("names: {", "no YAML"),
    ],
)
def test_mistakes_in_a_sheet_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--names", "reod=ReDo"], "--names reod=…: no such method or game, did you mean 'redo'?"),
        (["--names", "redo"], "--names takes NAME=TEXT …, got 'redo' (RUNS stand before it)"),
        (["--names", "redo="], "--names takes NAME=TEXT …, got 'redo='"),
        (["--names", "redo=A", "redo=B"], "--names gives 'redo' two names, A and B"),
        (["--names", "none=A", "redo=A"], "two methods would be called 'A': 'none' and 'redo'"),
        (["--names", "redo=none"], "two methods would be called 'none': 'none' and 'redo'"),
        (["--looks", "absent.yaml"], "absent.yaml: no such file"),
    ],
)
@pytest.mark.parametrize("verb", ["aggregate", "figure", "report"])
def test_wrong_names_end_with_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, words: list[str],
    message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for method in ("none", "redo"):
        make_run(tmp_path / "runs", method, "pong", 0, [1.0])
    first = [verb, *(["iqm"] if verb == "figure" else []), "runs", "--repetitions", "20"]
    assert main([*first, *words]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["runs"]
