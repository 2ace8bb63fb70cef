"""Figures: their numbers, their size, their fonts, their captions; every recipe draws."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import matplotlib.image
import polars as pl
import pytest

from redo_lab.analysis.bootstrap import Resampling
from redo_lab.analysis.figures.base import Source
from redo_lab.analysis.lines import expanded, smoothed
from redo_lab.analysis.looks import COLOURS, looks
from redo_lab.analysis.recipes import in_report, names, of_aggregate, read
from redo_lab.analysis.score_table import collect
from redo_lab.cli import main
from redo_lab.runs.table import load
from tests.helpers.studies import make_grid, make_run

GOLDEN = Path(__file__).parent.parent / "golden" / "figures"
LAYERS = ("conv1", "dense", "total")
EXTRA = {
    **{f"dormant/{layer}_tau0p1": 5.0 + number for number, layer in enumerate(LAYERS[:2])},
    "overlap/total_historical_tau0": 80.0,
    "overlap/total_neurons_tau0": 3.0,
    "rank/dense_srank": 300.0,
}
SUITES = {"fig10_drq": "atari_100k", "fig20": "mujoco"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 methods × 2 replay ratios × 2 games × 5 seeds."""
    root = tmp_path_factory.mktemp("figures") / "runs"
    for ratio in (1.0, 2.0):
        for method, base in (("none", 1.0), ("redo", 2.0)):
            for game, random, span in (("breakout", 1.7, 28.8), ("pong", -20.7, 35.3)):
                for seed in range(5):
                    finals = [random + span * (base + 0.1 * seed) * done / 4 / ratio for done in range(1, 5)]
                    extra = {**EXTRA, "rank/dense_srank": 300.0 + seed}
                    make_run(root, method, game, seed, finals, extra=extra, steps=400, replay_ratio=ratio)
    return root


def draw(name: str, runs: Path, folder: Path, *words: str) -> pl.DataFrame:
    assert main(["figure", name, str(runs), "-o", str(folder), "--repetitions", "100", *words]) == 0
    return pl.read_csv(folder / f"{name}.csv")


@pytest.mark.parametrize("name", ["iqm", "aggregates", "against_replay_ratio", "efficiency", "dormancy", "profiles",
                                  "improvement", "rank", "final_return"])  # fmt: skip
def test_the_numbers_beside_a_figure_are_golden(runs: Path, tmp_path: Path, name: str) -> None:
    """Renew with the command that the assertion prints, after a change meant to alter them."""
    golden_equals(GOLDEN / f"{name}.csv", draw(name, runs, tmp_path, "--format", "svg"), tmp_path / f"{name}.csv")


@pytest.mark.parametrize("name", ["aggregates", "efficiency", "profiles", "improvement"])
def test_the_interval_rliable_is_what_it_was(runs: Path, tmp_path: Path, name: str) -> None:
    """These files are older than the scheme of today's default; never renew them."""
    found = draw(name, runs, tmp_path, "--format", "svg", "--interval", "rliable")
    golden_equals(GOLDEN / "rliable" / f"{name}.csv", found, tmp_path / f"{name}.csv")


def golden_equals(golden: Path, found: pl.DataFrame, written: Path) -> None:
    assert golden.exists(), f"cp {written} {golden}"
    expected = pl.read_csv(golden)
    assert found.columns == expected.columns
    for column in expected.columns:
        if expected[column].dtype.is_float():
            ours, theirs = (frame[column].fill_null(float("nan")).to_list() for frame in (found, expected))
            assert ours == pytest.approx(theirs, rel=1e-9, nan_ok=True), f"cp {written} {golden}"
        else:
            assert found[column].to_list() == expected[column].to_list(), f"cp {written} {golden}"


@pytest.mark.parametrize("name", ["learning_curves", "dormancy_layers", "overlap"])
def test_the_other_kinds_draw_all_methods(runs: Path, tmp_path: Path, name: str) -> None:
    found = draw(name, runs, tmp_path, "--format", "svg")
    assert set(found["method"]) == {"none, RR 1", "none, RR 2", "redo, RR 1", "redo, RR 2"}
    metrics = {"dormancy_layers": {f"dormant/{layer}_tau0p1" for layer in LAYERS},
               "learning_curves": {"evaluation/return_mean"}, "overlap": {"overlap/total_historical_tau0"}}  # fmt: skip
    assert set(found["metric"]) == metrics[name]


def test_sizes_are_those_of_a_paper_and_fonts_are_in_the_file(runs: Path, tmp_path: Path) -> None:
    for name, inches in (("iqm", 3.25), ("learning_curves", 6.75)):
        draw(name, runs, tmp_path)
        pdf = (tmp_path / f"{name}.pdf").read_bytes()
        (box,) = set(re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) [\d.]+ ?\]", pdf))
        assert float(box) == pytest.approx(inches * 72, abs=0.01)
        streams = b"".join(_inflated(found) for found in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL))
        assert b"/Type3" not in pdf + streams
        assert b"/FontFile2" in pdf
        svg = (tmp_path / f"{name}.svg").read_text()
        width = re.search(r'<svg [^>]*width="([\d.]+)pt"', svg)
        assert width is not None
        assert float(width[1]) == pytest.approx(inches * 72, abs=0.01)
        assert "<text" not in svg
        assert matplotlib.image.imread(tmp_path / f"{name}.png").shape[1] == inches * 300


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_the_same_runs_give_the_same_files(runs: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        draw("efficiency", runs, tmp_path / folder)
    for ending in ("svg", "pdf", "png", "csv", "txt"):
        one, two = ((tmp_path / folder / f"efficiency.{ending}").read_bytes() for folder in ("one", "two"))
        assert one == two, ending


def test_captions_say_what_was_done(runs: Path, tmp_path: Path) -> None:
    draw("efficiency", runs, tmp_path, "--smooth", "3", "--interval", "bc", "--resample-games", "--confidence", "0.9")
    text = (tmp_path / "efficiency.txt").read_text()
    assert "5 seeds × 2 games per method, atari, scale paper" in text
    assert "90 % stratified bootstrap intervals (bc, over runs and games, 100 resamples)" in text
    assert "Smoothed: each point is the mean of 3" in text
    draw("efficiency", runs, tmp_path)
    text = (tmp_path / "efficiency.txt").read_text()
    assert "95 % stratified bootstrap intervals (Rao-Wu, t quantiles, over runs, 100 resamples)" in text
    assert "moothed" not in text


def test_a_figure_says_how_its_intervals_are_drawn_unless_the_command_does(runs: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("# Mine.\nuse: iqm\ninterval: rliable\n")
    for words, scheme in (((), "rliable's percentiles"), (("--interval", "rao-wu"), "Rao-Wu, t quantiles")):
        assert main(["figure", str(recipe), str(runs), "-o", str(tmp_path), "--repetitions", "100", *words]) == 0
        assert f"({scheme}, over runs, 100 resamples)" in (tmp_path / "mine.txt").read_text()


def test_an_unknown_scheme_in_a_figure_is_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("# Mine.\nuse: iqm\ninterval: percentile\n")
    assert main(["figure", str(recipe), str(runs)]) == 2
    assert "interval is one of rao-wu, rliable, basic, bc, got 'percentile'" in capsys.readouterr().err


def test_a_bare_figure_has_no_caption_inside(runs: Path, tmp_path: Path) -> None:
    draw("iqm", runs, tmp_path / "with", "--format", "png")
    draw("iqm", runs, tmp_path / "bare", "--format", "png", "--bare")
    high, low = (matplotlib.image.imread(tmp_path / name / "iqm.png").shape[0] for name in ("with", "bare"))
    assert high > low
    assert (tmp_path / "bare" / "iqm.txt").read_text() == (tmp_path / "with" / "iqm.txt").read_text()


def test_smoothing_is_a_mean_around_each_point() -> None:
    import numpy as np

    values = np.array([[1.0, 2.0, 6.0, 3.0]])
    assert smoothed(values, 1).tolist() == [[1.0, 2.0, 6.0, 3.0]]
    assert smoothed(values, 3).tolist() == [[1.5, 3.0, pytest.approx(11 / 3), 4.5]]
    assert smoothed(values, 2).tolist() == [[1.5, 4.0, 4.5, 3.0]]


def test_a_pattern_takes_what_every_run_has_and_the_largest_threshold(runs: Path) -> None:
    table = load([runs])
    scores = collect(table)
    assert expanded(["dormant/total_tau*"], scores, table) == ["dormant/total_tau0p1"]
    assert expanded(["dormant/total_tau0"], scores, table) == ["dormant/total_tau0"]
    with pytest.raises(ValueError, match="no metric 'dormant/totl_tau0' that every one of these runs has logged"):
        expanded(["dormant/totl_tau0"], scores, table)


def test_the_runs_that_lack_a_metric_are_named(tmp_path: Path) -> None:
    for seed in range(7):
        make_run(tmp_path, "none", "pong", seed, [1.0], extra={"rank/dense_srank": 3.0} if seed < 2 else {})
    table = load([tmp_path])
    lacking = r"5 of 7 lack rank/dense_srank \(none-pong-2, none-pong-3, none-pong-4 and 2 more\)"
    with pytest.raises(ValueError, match=lacking):
        expanded(["rank/*_srank"], collect(table), table)


def test_moments_with_an_empty_set_are_left_out_of_the_overlap(tmp_path: Path) -> None:
    for seed in range(5):
        extra = {"overlap/total_historical_tau0": 0.0, "overlap/total_neurons_tau0": 0.0 if seed == 2 else 4.0}
        make_run(tmp_path, "none", "pong", seed, [1.0], extra=extra)
    table = load([tmp_path])
    drawing = read("overlap").alone.kind.draw(Source(collect(table), table, Resampling(20, 0)))
    assert drawing.data.is_empty()
    assert any("not drawn, as its runs share no point: none" in note for note in drawing.notes)


def test_grey_tells_methods_apart_and_colours_are_those_of_okabe_and_ito() -> None:
    found = looks(["none", "redo", "reset", "weight_decay"])
    assert [look.colour for look in found.values()] == list(COLOURS[:4])
    assert len({(look.line, look.marker) for look in found.values()}) == 4


def test_few_seeds_are_lines_and_no_bands(tmp_path: Path) -> None:
    make_grid(tmp_path / "few", seeds=4)
    found = draw("learning_curves", tmp_path / "few", tmp_path, "--format", "svg")
    assert found["low"].null_count() == found.height
    text = (tmp_path / "learning_curves.txt").read_text()
    assert "Thin lines: single seeds" in text
    assert "Fewer than 5 seeds (4 of every method)" in text


def test_figures_say_themselves_who_draws_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_report()[:3] == ["iqm", "aggregates", "against_replay_ratio"]
    assert "fig1" not in in_report(), "it uses `efficiency`, but is not asked for itself"
    assert of_aggregate(4) == {"curves": "learning_curves", "dormancy": "dormancy", "iqm": "iqm"}
    assert of_aggregate(5) == {"curves": "efficiency", "iqm": "iqm"}
    (tmp_path / "figures").mkdir()
    mine = tmp_path / "figures" / "mine.yaml"
    mine.write_text("# Mine.\nuse: iqm\nreport: 0\naggregate: {many: mine}\n")
    monkeypatch.setenv("REDO_LAB_CONF", str(tmp_path))
    assert in_report()[:2] == ["mine", "iqm"]
    assert of_aggregate(5) == {"curves": "efficiency", "iqm": "iqm", "mine": "mine"}
    assert (read("mine").title, "mine" in names(), "looks" in names()) == ("Mine.", True, False)
    for wrong, said in (("report: first", "whole number, got 'first'"), ("aggregate: {some: x}", "always, few, many")):
        mine.write_text(f"use: iqm\n{wrong}\n")
        with pytest.raises(ValueError, match=said):
            in_report()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["efficency"], "no figure 'efficency': did you mean 'efficiency'?"),
        (["against_width"], "no such axis or varying setting of a method"),
        (["iqm", "--where", "seed=0 & game=pong & recycler=none", "--by", "replay_ratio", "--normalisation", "human",
          "--repetitions", "0"], "repetitions must be ≥ 1, got 0"),
        (["iqm", "--where", "seed>9"], "no run of 40 fulfils --where 'seed>9'"),
        (["iqm", "--smooth", "0"], "--smooth must be ≥ 1"),
        (["improvement", "--where", "recycler=none & replay_ratio=1"], "needs at least two methods"),
    ],
)  # fmt: skip
def test_mistakes_end_with_code_2(runs: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    name, *others = words
    assert main(["figure", name, str(runs), *others]) == 2
    assert said in capsys.readouterr().err


def test_a_run_without_the_value_of_x_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for method, thresholds in (("none", [None]), ("redo", [0.1, 0.2])):
        for threshold in thresholds:
            settings = {"recyclers": {"redo": {"threshold": threshold}}} if threshold else {}
            make_run(tmp_path / "runs" / str(threshold), method, "pong", 0, [1.0], settings=settings)
    axis = "recyclers.redo.threshold"
    said = (
        f"1 of 3 runs have no {axis}, none-pong-0 the first of them; choose those that have it: --where '{axis}!=null'"
    )
    for name, use, own in (("line", "against_replay_ratio", f"x: {axis}"), ("rows", "table", f"rows: {axis}")):
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(f"# Mine.\nuse: {use}\nfigure: {{{own}}}\n")
        words = ["figure", str(recipe), str(tmp_path / "runs"), "--by", "recycler", axis, "-o", str(tmp_path)]
        assert main([*words, "--repetitions", "20"]) == 2
        assert said in capsys.readouterr().err
        assert main([*words, "--repetitions", "20", "--where", f"{axis}!=null", "--format", "svg"]) == 0
        assert pl.read_csv(tmp_path / f"{name}.csv").height == 2


def test_one_seed_has_values_and_no_intervals(runs: Path, tmp_path: Path) -> None:
    found = draw("iqm", runs, tmp_path, "--where", "seed=0", "--format", "svg")
    assert found["low"].null_count() == found.height == 4
    assert "Fewer than 5 seeds (1 of every method)" in (tmp_path / "iqm.txt").read_text()


def test_a_game_whose_human_is_random_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from redo_lab.analysis import normalise

    make_grid(tmp_path)
    monkeypatch.setattr(normalise, "atari_references", lambda: {
        "pong": normalise.Reference(1.0, 1.0), "breakout": normalise.Reference(0.0, 1.0)
    })  # fmt: skip
    assert main(["figure", "iqm", str(tmp_path)]) == 2
    assert "game 'pong': human and random scores are equal" in capsys.readouterr().err
    make_run(tmp_path / "other", "none", "chess", 0, [1.0])
    assert main(["figure", "iqm", str(tmp_path / "other")]) == 2
    assert "no human score for game 'chess'" in capsys.readouterr().err
