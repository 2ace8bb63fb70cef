"""Tables for papers and pages: words mean themselves in LaTeX and in Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.analysis.typeset import Content
from redo_lab.cli import main
from tests.helpers.studies import make_run


def test_words_in_latex_mean_themselves() -> None:
    line = Content(["a"], [[r"weight_decay & 50 % {x} ^ ~ \ $ # a<b>c|d"]]).latex().splitlines()[4]
    assert line == (
        r"weight\_decay \& 50 \% \{x\} \^{} \~{} \textbackslash{} \$ \# a\textless{}b\textgreater{}c\textbar{}d \\"
    )


def test_negative_numbers_have_a_minus_and_words_keep_their_hyphens() -> None:
    row = Content(["a", "b"], [["human-normalised 3-step 1-2", "-0.5 [-1.25, 3.0]"]]).latex().splitlines()[4]
    assert row == r"human-normalised 3-step 1-2 & $-$0.5 [$-$1.25, 3.0] \\"


def test_a_row_that_begins_with_a_bracket_is_no_argument_of_the_line_break_above() -> None:
    lines = Content(["a", "b"], [["[x]", "1"], ["*", "2"], ["c", "[3]"]]).latex().splitlines()
    assert lines[4:7] == [r"{}[x] & 1 \\", r"{}* & 2 \\", r"c & [3] \\"]


def test_words_in_markdown_mean_themselves() -> None:
    text = Content(["a", "b"], [["Q*bert | `x`", "<b>"]], {(0, 1)}, ["A note\nof two lines."]).markdown()
    assert text == "| a | b |\n| --- | ---: |\n| Q\\*bert \\| \\`x\\` | **\\<b>** |\n\nA note of two lines.\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two methods × two seeds on Q*bert and one more game, human-normalised."""
    monkeypatch.chdir(tmp_path)
    for method, score in (("none", 163.9), ("weight_decay", 163.9 - 1329.11)):
        for seed in range(2):
            for game in ("qbert", "jamesbond"):
                make_run(tmp_path / "runs", method, game, seed, [score if game == "qbert" else 29.0])
    return tmp_path / "runs"


def test_aggregate_writes_its_table_as_latex_and_markdown(folder: Path) -> None:
    words = ["--metric", "mean", "--repetitions", "50", "--names", "none=DQN & co", "--bold"]
    assert main(["aggregate", "runs", *words]) == 0
    assert (folder / "aggregate.tex").read_text().splitlines() == [
        "% Human-normalised score, 95% intervals in brackets (atari: James Bond, Q*bert).",
        "% Fewer than 5 seeds (2 of every method): too few for intervals to rely on.",
        "% Bold: the best value of a column; its interval may hold the others.",
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r"method & games & seeds & mean & dormant \% ($\tau$ = 0.1) \\",
        r"\midrule",
        r"DQN \& co & 2 & 2 & \textbf{0.000 [0.000, 0.000]} & 1.0 \\",
        r"weight\_decay & 2 & 2 & $-$0.050 [$-$0.050, $-$0.050] & 1.0 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert (folder / "aggregate.md").read_text().splitlines()[:6] == [
        "| method | games | seeds | mean | dormant % (τ = 0.1) |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| DQN & co | 2 | 2 | **0.000 [0.000, 0.000]** | 1.0 |",
        "| weight_decay | 2 | 2 | -0.050 [-0.050, -0.050] | 1.0 |",
        "",
        "Human-normalised score, 95% intervals in brackets (atari: James Bond, Q\\*bert).",
    ]


def test_nothing_is_bold_unless_asked_for_and_less_is_better_for_the_optimality_gap(folder: Path) -> None:
    words = ["aggregate", "runs", "--metric", "optimality_gap", "iqm", "--repetitions", "50"]
    assert main(words) == 0
    assert "textbf" not in (folder / "aggregate.tex").read_text()
    assert "**" not in (folder / "aggregate.md").read_text()
    assert main([*words, "--bold"]) == 0
    none, decay = (folder / "aggregate.tex").read_text().splitlines()[7:9]
    assert none.count(r"\textbf") == 2
    assert r"\textbf" not in decay
