"""`redo-lab aggregate` from run directories to numbers, files and exit codes."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from redo_lab.analysis.looks import looks, places
from redo_lab.analysis.output import whole_file
from redo_lab.analysis.selection import folder_of
from redo_lab.commands import figure, report
from redo_lab.commands.aggregate import main, parser
from tests.helpers.studies import make_grid, make_run

FAST = ["--repetitions", "50"]


def read_rows(root: Path) -> list[dict[str, str]]:
    with (root / "aggregate.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_study_becomes_a_table_a_csv_and_two_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_grid(tmp_path)
    assert main([str(tmp_path), *FAST]) == 0
    out = capsys.readouterr().out
    assert "human-normalised score" in out
    assert "warning: fewer than 5 seeds (2 of every method)" in out
    assert f"written to {tmp_path}: aggregate.csv, " in out
    (written,) = (line for line in out.splitlines() if line.startswith("written to "))
    assert set(written.partition(": ")[2].split(", ")) == {path.name for path in tmp_path.iterdir() if path.is_file()}
    none, redo = read_rows(tmp_path)
    assert (none["method"], none["games"], none["seeds"]) == ("none", "breakout pong", "0 1")
    # none: Breakout 0, 1 and Pong 2, 3.
    assert float(none["iqm"]) == pytest.approx(1.5)
    assert float(none["mean"]) == pytest.approx(1.5)
    assert float(none["median"]) == pytest.approx(1.5)
    assert float(none["optimality_gap"]) == pytest.approx(0.25)
    assert float(redo["iqm"]) == pytest.approx(2.5)
    # Two runs 1 apart in each of two games: ± 4.3 (Student's t, 2 degrees of freedom) · √(1/8), but for chance.
    assert float(none["mean_low"]) == pytest.approx(1.5 - 1.521, abs=0.15)
    assert float(none["mean_high"]) == pytest.approx(1.5 + 1.521, abs=0.15)
    # The last value at τ = 0.1: (100 + 200) / 2 · 0.1 for none.
    assert (float(none["dormant_percent"]), none["dormant_threshold"]) == (pytest.approx(15.0), "0.1")
    assert float(redo["dormant_percent"]) == pytest.approx(25.0)
    assert "1.500 [" in out
    lines = out.splitlines()
    at = lines.index("dormant neurons when training ends (τ = 0.1), mean of runs, 95% intervals:")
    # Two runs 10 % apart in each of two games: ± 4.3 · √(50 / 4), ten times the scores' above.
    found = [re.fullmatch(r"  (\w+)  ([\d.]+) % \[([\d.]+), ([\d.]+)\]", line) for line in lines[at + 1 : at + 3]]
    numbers = {one[1]: [float(one[2]), float(one[3]), float(one[4])] for one in found if one}
    assert numbers["none"] == pytest.approx([15.0, 0.0, 30.2], abs=1.5)
    assert numbers["redo"] == pytest.approx([25.0, 9.8, 40.2], abs=1.5)
    assert "15.0" in out


def test_figures_are_pngs_of_a_readable_size(tmp_path: Path) -> None:
    make_grid(tmp_path / "runs")
    assert main([str(tmp_path / "runs"), *FAST, "--output", str(tmp_path / "new" / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == [
        "aggregate.csv",
        "aggregate.md",
        "aggregate.tex",
        "curves.csv",
        "curves.png",
        "curves.txt",
        "dormancy.csv",
        "dormancy.png",
        "dormancy.txt",
        "iqm.csv",
        "iqm.png",
        "iqm.txt",
    ]
    for name, width in (("iqm.png", 3.25), ("curves.png", 6.75), ("dormancy.png", 6.75)):
        image = matplotlib.image.imread(tmp_path / "new" / "out" / name)
        assert image.shape[1] == width * 300
        assert 0.3 < image[..., :3].mean() < 0.999


def test_a_name_is_looked_for_below_the_runs_root_and_the_files_go_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_grid(tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    before = set(Path("runs/mine").iterdir())
    assert main(["mine", *FAST]) == 0
    assert report.main(["mine", *FAST]) == 0
    assert figure.main(["efficiency", "mine", *FAST, "--format", "png"]) == 0
    written = {path.name for path in set(Path("runs/mine").iterdir()) - before}
    assert written >= {"aggregate.csv", "iqm.png", "report.html", "efficiency.png", "efficiency.csv"}
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in Path("runs").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("words", "default", "folder"),
    [
        (["other/place"], "figures", "other/place"),
        ([], "figures", "runs/figures"),
        (["--from", "wandb:team/project"], "figures", "runs/project"),
    ],
)
def test_files_go_below_the_runs_root_and_never_into_the_current_folder_unasked(
    words: list[str], default: str, folder: str
) -> None:
    assert folder_of(parser().parse_args(words), default) == Path(folder)


def _no_run(root: Path) -> None:
    for path in (root / "redo-pong-1").iterdir():
        path.unlink()


def _replace(root: Path, **options: Any) -> None:
    _no_run(root)
    (root / "redo-pong-1").rmdir()
    make_run(root, "redo", "pong", 1, **options)


BROKEN = {
    "no run": lambda root: _no_run(root),
    "running at 250 of 1000 agent steps": lambda root: _replace(root, returns=[1.0], state="running"),
    "failed at 250 of 1000 agent steps: CUDA": lambda root: _replace(root, returns=[1.0], state="failed", error="CUDA"),
    "finished without any evaluation/return_mean": lambda root: _replace(root, returns=[]),
    "its final score is nan": lambda root: _replace(root, returns=[1.0, float("nan")]),
    "its final score is inf": lambda root: _replace(root, returns=[1.0, float("inf")]),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_cell_without_a_usable_run_is_named_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    make_grid(tmp_path)
    BROKEN[reason](tmp_path)
    assert main([str(tmp_path), *FAST]) == 2
    err = capsys.readouterr().err
    assert err.startswith("redo-lab aggregate: 1 thing is in the way of a fair comparison:")
    assert f"redo · Pong · seed 1: {reason}" in err
    assert "--allow-missing" in err
    assert not (tmp_path / "aggregate.csv").exists()


def test_with_allow_missing_the_rest_is_aggregated_and_what_is_left_out_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_grid(tmp_path, seeds=3)
    _no_run(tmp_path)
    assert main([str(tmp_path), *FAST, "--allow-missing"]) == 0
    out = capsys.readouterr().out
    assert "left out: redo · Pong · seed 1: no run" in out
    assert "left out: redo · Breakout · seed 1: left out, as this method lacks the seed in another game" in out
    assert "warning: unequal numbers of seeds: none: 3; redo: 2" in out
    none, redo = read_rows(tmp_path)
    assert (none["seeds"], redo["seeds"]) == ("0 1 2", "0 2")
    assert float(none["mean"]) == pytest.approx((0 + 1 + 2 + 2 + 3 + 4) / 6)
    assert float(redo["mean"]) == pytest.approx((1 + 3 + 3 + 5) / 4)
    assert redo["cells_left_out"] == "2"


def test_raw_returns_are_labelled_and_have_no_optimality_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for game in ("breakout", "asterix"):
        make_run(tmp_path, "redo", game, 0, [12.5], dormant=None, suite="minatar")
    assert main([str(tmp_path), *FAST]) == 0
    out = capsys.readouterr().out
    assert "optimality gap" not in out
    assert "dormant %" not in out
    assert "not drawn: dormancy: no metric" in out
    assert "the raw return of 2 games is averaged" in out
    (row,) = read_rows(tmp_path)
    assert (row["method"], row["score"], row["iqm"], row["iqm_low"]) == ("redo", "return", "12.5", "")


def test_a_game_without_a_human_score_can_be_aggregated_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, "redo", "defender", 0, [3000.0])
    assert main([str(tmp_path), *FAST]) == 2
    assert "'defender' (use --normalisation none" in capsys.readouterr().err
    assert main([str(tmp_path), *FAST, "--normalisation", "none", "--metric", "mean"]) == 0
    assert float(read_rows(tmp_path)[0]["mean"]) == 3000.0


def test_a_demo_says_that_it_shows_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, "redo", "pong", 0, [3.0], scale="demo")
    assert main([str(tmp_path), *FAST]) == 0
    assert "at scale 'demo' the runs are far too short: no conclusion" in capsys.readouterr().out


def test_bad_requests_end_with_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent")]) == 2
    assert capsys.readouterr().err == f"redo-lab aggregate: {tmp_path / 'absent'}: no such directory\n"
    make_run(tmp_path, "redo", "pong", 0, [3.0])
    assert main([str(tmp_path), "--repetitions", "0"]) == 2
    assert "repetitions must be ≥ 1, got 0" in capsys.readouterr().err


def test_a_method_looks_the_same_in_every_figure() -> None:
    assert looks(["none", "redo"])["redo"] == looks(["reset", "redo", "made_up"])["redo"]
    assert looks(["redo_scheduled"]) == {"redo_scheduled": looks(["redo"])["redo"]}, "the same method by another name"
    names = [
        *{place: name for name, place in places().items()}.values(),
        *(f"variant {number}" for number in range(20)),
    ]
    assert len(set(looks(names).values())) == len(names)
    few = looks([f"redo, RR {ratio}" for ratio in (0.25, 0.5, 1, 2)]).values()
    assert len({look.colour for look in few}) == len({look.marker for look in few}) == 4
    assert len({look.line for look in few}) == 1
    assert looks(["redo, RR 2"])["redo, RR 2"].colour == looks(["redo"])["redo"].colour


def _write_half(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("interrupted")


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="interrupted"):
        _write_half(tmp_path / "out.txt")
    assert list(tmp_path.iterdir()) == []


def test_neither_the_help_nor_the_work_imports_torch(tmp_path: Path) -> None:
    make_run(tmp_path, "redo", "pong", 0, [3.0])
    script = (
        "import sys\nfrom redo_lab.commands.aggregate import main, parser\nparser().format_help()\n"
        "heavy = {'polars', 'matplotlib', 'rliable', 'numpy', 'torch'}\nassert not heavy & set(sys.modules)\n"
        f"assert main([{str(tmp_path)!r}, '--repetitions', '5']) == 0\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, capture_output=True)
