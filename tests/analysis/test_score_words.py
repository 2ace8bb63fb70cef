"""Scores that are no returns: called by the study's own word everywhere, never normalised, better where it says so."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from redo_lab.analysis.score_table import collect
from redo_lab.cli import main
from redo_lab.runs.table import load
from tests.helpers.studies import make_run

LOSS = {"study": "distill", "scored_by": "train/loss", "score_word": "loss", "higher_is_better": False}


def scored(root: Path, recycler: str, seed: int, score: float, record: dict[str, object] = LOSS) -> Path:
    """A run on Breakout whose record says what scores it; its returns say the opposite."""
    run = make_run(root, recycler, "breakout", seed, [-score] * 10, extra={"train/loss": score})
    content = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(content | record))
    return run


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    """ReDo's loss is 1, that without it 3."""
    for seed in range(5):
        scored(tmp_path / "runs", "none", seed, 3.0)
        scored(tmp_path / "runs", "redo", seed, 1.0)
    return tmp_path / "runs"


def figure(name: str, runs: Path, folder: Path) -> list[dict[str, str]]:
    assert main(["figure", name, str(runs), "-o", str(folder), "--repetitions", "50", "--format", "svg"]) == 0
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_aggregates_of_a_loss_say_so_and_stay_raw(losses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aggregate", str(losses), "--repetitions", "50"]) == 0
    out = capsys.readouterr().out
    assert "loss (lower is better), 95% intervals (atari: Breakout)" in out
    assert "return" not in out
    assert "optimality gap" not in out
    with (losses / "aggregate.csv").open() as file:
        rows = {row["method"]: (row["score"], float(row["iqm"])) for row in csv.DictReader(file)}
    assert rows == {"none": ("loss (lower is better)", 3.0), "redo": ("loss (lower is better)", 1.0)}


@pytest.mark.parametrize("wish", ["human", "minmax"])
def test_a_loss_is_never_normalised(losses: Path, wish: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aggregate", str(losses), "--normalisation", wish]) == 2
    assert f"--normalisation {wish} is for returns of games, these runs have train/loss" in capsys.readouterr().err


def test_the_better_method_is_that_of_the_lower_loss(losses: Path, tmp_path: Path) -> None:
    (row,) = figure("improvement", losses, tmp_path)
    assert (row["method"], row["against"], float(row["probability"])) == ("redo", "none", 1.0)
    assert float(row["iqm_difference"]) == -2.0
    shares = {method: [float(row["value"]) for row in figure("profiles", losses, tmp_path) if row["method"] == method]
              for method in ("none", "redo")}  # fmt: skip
    assert all(redo >= none for redo, none in zip(shares["redo"], shares["none"], strict=True))
    assert sum(shares["redo"]) > sum(shares["none"])


def test_curves_and_last_values_are_those_of_the_score(losses: Path, tmp_path: Path) -> None:
    assert {row["metric"] for row in figure("learning_curves", losses, tmp_path)} == {"train/loss"}
    assert {row["metric"] for row in figure("efficiency", losses, tmp_path)} == {"train/loss"}
    assert {row["method"]: row["mean"] for row in figure("final_return", losses, tmp_path)} == {
        "none": "3.0", "redo": "1.0",
    }  # fmt: skip


def test_columns_have_the_word_of_the_score(losses: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["runs", str(losses)]) == 0
    columns = capsys.readouterr().out.splitlines()[1].split()
    assert columns == ["run_id", "state", "steps", "loss", "recycler", "seed"]
    assert main(["report", str(losses), "-o", str(tmp_path / "r.html"), "--repetitions", "20"]) == 0
    text = (tmp_path / "r.html").read_text()
    assert ">final loss</th>" in text
    assert '"metrics":["train/loss",' in text
    assert "return" not in text.partition("<script>")[0].partition("<main>")[2].lower().replace("final_return", "")


def test_several_words_have_one_column(losses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(losses, "redo", "breakout", 9, [7.0])
    assert main(["runs", str(losses), "--where", "seed>=4 & recycler=redo", "--columns", "seed", "score"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[2:]] == [["4", "1"], ["9", "7"]]


def test_runs_scored_by_different_metrics_are_not_compared(losses: Path) -> None:
    make_run(losses, "redo", "breakout", 9, [7.0])
    with pytest.raises(ValueError, match=r"scored by different metrics \(train/loss, evaluation/return_mean\)"):
        collect(load([losses]))


def test_a_record_of_before_the_word_has_that_of_its_metric(tmp_path: Path) -> None:
    scored(tmp_path, "redo", 0, 1.0, {"study": "supervised", "scored_by": "evaluation/train_accuracy"})
    make_run(tmp_path, "none", "breakout", 0, [7.0])
    words = dict(load([tmp_path]).runs.select("recycler", "score_word").iter_rows())
    assert words == {"redo": "train accuracy", "none": "return"}
