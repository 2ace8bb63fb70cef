"""The report: what is in the file."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from redo_lab.analysis.report.markup import Cell, table
from redo_lab.cli import main
from tests.helpers.studies import make_run


def test_all_sections_are_there_and_nothing_is_fetched(page: Path) -> None:
    text = page.read_text()
    for heading in ("Read this first", "Summary", "Figures", "Curves", "Cost", "What the configs differ in", "Runs"):
        assert f">{heading}</h2>" in text
    without_plotly = re.sub(r"<script>/\*\*\n\* plotly\.js.*?</script>", "", text, flags=re.DOTALL)
    assert len(without_plotly) < 1_500_000 < len(text)
    assert not re.search(r'(src|href)="(https?:)?//', without_plotly)
    assert not re.search(r"@import|url\(", without_plotly)


def test_the_summary_has_the_numbers_of_aggregate(page: Path) -> None:
    cells = re.findall(r"<td[^>]*>([^<]*)(<span>\[|</td>)", page.read_text().partition(">Summary</h2>")[2])
    texts = [text for text, _ in cells]
    assert texts[:3] == ["none", "2", "2"]
    assert cells[3] == ("1.500 ", "<span>[")
    redo = cells[texts.index("redo") :]
    assert redo[3] == ("2.500 ", "<span>[")
    assert redo[7] == ("+1.000 ", "<span>[")


def test_figures_are_whole_pictures_and_what_is_not_drawn_is_said(page: Path) -> None:
    text = page.read_text()
    drawn = dict(
        re.findall(
            r'id="figure-(\w+)"><picture>(?:<source [^>]*>)?<img [^>]*src="data:image/svg\+xml;base64,([^"]+)"', text
        )
    )
    assert {"iqm", "aggregates", "efficiency", "profiles", "improvement", "learning_curves", "dormancy"} <= drawn.keys()
    for picture in drawn.values():
        assert base64.b64decode(picture).rstrip().endswith(b"</svg>")
    assert "against_replay_ratio: a figure against replay_ratio needs runs of at least two values" in text
    assert "rank: no metric &#x27;rank/*_srank&#x27;" in text


def test_a_report_without_a_value_of_x_leaves_out_the_figure_against_it(tmp_path: Path) -> None:
    for ratio in (1.0, 2.0, None):
        make_run(tmp_path / "runs", "none", "pong", 0, [1.0], replay_ratio=ratio)
    assert main(["report", str(tmp_path / "runs"), "-o", str(tmp_path / "r.html"), "--repetitions", "20"]) == 0
    text = (tmp_path / "r.html").read_text()
    assert "against_replay_ratio: 1 of 3 runs have no replay_ratio, none-pong-0-None the first of them" in text
    assert 'id="figure-iqm"' in text


def test_runs_lead_to_their_logs_and_costs_are_summed(page: Path) -> None:
    text = page.read_text()
    assert 'href="runs/redo-pong-1/log.txt"' in text
    row = re.search(r"<tr><td[^>]*>none</td>(.*?)</tr>", text.partition(">Cost</h2>")[2])
    assert row is not None
    assert re.findall(r"<td[^>]*>([^<]*)</td>", row[1]) == ["4", "4,000", "2.0", "0.0", "0.6", "0.50"]


def test_text_from_outside_is_text(page: Path) -> None:
    assert "<title>&lt;b&gt;A &amp; B&lt;/b&gt;</title>" in page.read_text()


def test_a_report_ends_with_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "-o", "report.pdf"]) == 2
    assert "must end with .html" in capsys.readouterr().err


def test_a_long_table_shows_its_first_rows_and_holds_all() -> None:
    long = table(["run"], [[Cell(f"w {number}", number)] for number in range(120)], identifier="t", noun="runs")
    assert (long.count("<tr>"), long.count("<tr hidden>")) == (1 + 50, 70)
    assert ">120 runs</span>" in long
    assert "<input" not in table(["run"], [[Cell("w")]] * 50)
    assert "<input" in table(["run"], [[Cell("w")]] * 51)
