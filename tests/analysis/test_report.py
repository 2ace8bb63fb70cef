"""The report: what is in the file, and in headless Chromium that it works without a network."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from redo_lab.analysis import report
from redo_lab.analysis.report.markup import Cell, table
from redo_lab.cli import main
from tests.helpers.studies import make_grid, make_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=10000 --enable-logging=stderr --v=0"
)
PROBE = """
<script>
window.addEventListener("load", () => {
  const seen = {};
  const plot = document.getElementById("curves");
  const lines = () => plot.data.filter((trace) => trace.showlegend || trace.mode === "lines" && !trace.fill).length;
  const change = (element, value) => { element.value = value; element.dispatchEvent(new Event("change")); };
  const click = (element) => element.click();
  seen.lines = lines();
  seen.panels = plot.layout.annotations.length;
  click(document.querySelector("#games input"));
  seen.panelsWithOneGameLess = plot.layout.annotations.length;
  click(document.querySelector("#methods input"));
  seen.linesWithOneMethodLess = lines();
  click(document.getElementById("single"));
  seen.linesOfSingleSeeds = lines();
  change(document.getElementById("metric"), "dormant/total_tau0p1");
  seen.dormant = plot.data[0].y[0];
  change(document.getElementById("clock"), "updates");
  seen.x = plot.data[0].x[0];
  Plotly.relayout(plot, {"xaxis.range": [200, 400]});
  seen.zoomed = plot.layout.xaxis.range;
  const before = getComputedStyle(document.body).backgroundColor;
  click(document.getElementById("theme"));
  seen.themes = [before, getComputedStyle(document.body).backgroundColor];
  const runs = document.getElementById("runs").closest(".paged");
  const filter = runs.querySelector("input");
  filter.value = "redo pong";
  filter.dispatchEvent(new Event("input"));
  seen.shown = runs.querySelector(".count").textContent;
  const first = () => document.querySelector("#runs tbody tr").textContent;
  const top = first();
  click(document.querySelectorAll("#runs th")[3]); click(document.querySelectorAll("#runs th")[3]);
  seen.sorted = top !== first();
  Plotly.Fx.hover(plot, [{curveNumber: 0, pointNumber: 1}]);
  seen.hovered = document.querySelectorAll("#curves .hoverlayer > *").length > 0;
  document.title = "SEEN" + JSON.stringify(seen) + "SEEN";
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 2 methods × 2 games × 2 seeds, beside its runs; one name is hostile."""
    root = tmp_path_factory.mktemp("report")
    make_grid(root / "runs")
    make_run(root / "runs", "</script><b>", "breakout", 0, [1.0] * 10, state="failed", error="<i>no</i>")
    words = ["report", str(root / "runs"), "-o", str(root / "report.html"), "--repetitions", "50", "--allow-missing"]
    assert main([*words, "--where", "recycler!='</script><b>'", "--title", "<b>A & B</b>"]) == 0
    return root / "report.html"


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


def test_data_cannot_end_its_script(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "</script><b>", "breakout", 0, [1.0] * 10)
    assert main(["report", str(tmp_path / "runs"), "-o", str(tmp_path / "r.html"), "--repetitions", "20"]) == 0
    text = (tmp_path / "r.html").read_text()
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["methods"] == ["</script><b>"]
    assert "<b>breakout" not in text
    assert '<td class="word"></script>' not in text


HOSTILE = "<!--<script>[/x]$\\frac{\x1b[31m</script><img src=x onerror=document.title='owned'>"
FOLDERS = ("javascript:alert(1)", "a#b?c", "=cmd|' '!A1")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of runs whose every name is an attack, beside them."""
    root = tmp_path_factory.mktemp("hostile")
    for seed, folder in enumerate(FOLDERS):
        for game in (HOSTILE, "+1"):
            run = make_run(root, "m", "g", seed, [1.0] * 10, error=HOSTILE)
            content = json.loads((run / "run.json").read_text())
            content |= {"run_id": HOSTILE, "experiment": HOSTILE, "settings": {HOSTILE: f"@{seed}"}}
            content["axes"] |= {"game": game, "recycler": f"={HOSTILE}", "suite": HOSTILE, "scale": HOSTILE}
            content["versions"] = {"torch": HOSTILE}
            (run / "run.json").write_text(json.dumps(content))
            with (run / "metrics.csv").open("a") as file:
                file.write(f"1000,1000,dormant/total_{HOSTILE},1.0\n")
            (root / "runs" / folder).mkdir(parents=True, exist_ok=True)
            run.rename(root / "runs" / folder / game[:1])
    words = ["report", str(root / "runs"), "-o", str(root / "runs" / "report.html"), "--repetitions", "20"]
    assert main(words) == 0
    return root / "runs" / "report.html"


class Page(HTMLParser):
    """Every tag, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_no_name_of_a_run_becomes_a_part_of_the_page(hostile: Path, page: Path) -> None:
    text = hostile.read_text()
    tags = Page(text).tags
    assert [kind for kind, _ in tags].count("script") == [kind for kind, _ in Page(page.read_text()).tags].count(
        "script"
    )
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert "\x1b" not in text
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    assert json.loads(data[1])["games"] == ["+1", HOSTILE.replace("\x1b", "�")]


def test_links_lead_to_logs_whatever_the_folder_is_called(hostile: Path) -> None:
    logs = [attributes["href"] for tag, attributes in Page(hostile.read_text()).tags
            if tag == "a" and str(attributes["href"]).endswith("log.txt")]  # fmt: skip
    assert len(logs) == 6
    base = hostile.as_uri()
    for link in logs:
        assert link is not None
        parts = urlsplit(urljoin(base, link))
        assert (parts.scheme, parts.query, parts.fragment) == ("file", "", "")
        assert Path(unquote(parts.path)).is_file()


def test_no_cell_of_an_export_is_a_formula(hostile: Path, tmp_path: Path) -> None:
    runs = str(hostile.parent)
    assert main(["aggregate", runs, "-o", str(tmp_path), "--repetitions", "20"]) == 0
    assert main(["runs", runs, "-o", str(tmp_path / "runs.csv")]) == 0
    assert main(["runs", runs, "--metric", "all", "-o", str(tmp_path / "values.csv")]) == 0
    texts = [path.read_text() for path in tmp_path.glob("*.csv")]
    texts += [
        base64.b64decode(found).decode() for found in re.findall(r"text/csv;base64,([^\"]+)", hostile.read_text())
    ]
    assert len(texts) > 8
    cells = [cell for text in texts for row in csv.reader(io.StringIO(text)) for cell in row]
    assert any(cell.startswith("'=") for cell in cells)
    for cell in cells:
        assert not cell.startswith(("=", "@", "\t", "\r"))
        assert not cell.startswith(("+", "-")) or float(cell) <= 0


def test_no_verb_prints_what_moves_a_terminal(
    hostile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = str(hostile.parent)
    assert main(["runs", runs, "--columns", "run_id", "game", "error", "directory"]) == 0
    assert main(["runs", runs, "--metric", f"dormant/total_{HOSTILE}"]) == 0
    assert main(["aggregate", runs, "-o", str(tmp_path), "--repetitions", "20"]) == 0
    assert main(["figure", "iqm", runs, "-o", str(tmp_path), "--repetitions", "20"]) == 0
    assert main(["diff", f"{runs}/a#b?c/+", f"{runs}/javascript:alert(1)/+"]) == 1
    assert main(["aggregate", runs, "--where", "seed<2", "--by", HOSTILE]) == 2
    streams = capsys.readouterr()
    assert "[/x]" in streams.out
    assert "\x1b" not in streams.out + streams.err


def test_a_report_ends_with_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "-o", "report.pdf"]) == 2
    assert "must end with .html" in capsys.readouterr().err


@pytest.mark.browser
def test_the_page_works_in_a_browser(page: Path, tmp_path: Path) -> None:
    assert CHROMIUM is not None, "Chromium is not installed"
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={tmp_path}", "--dump-dom", probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    found = re.search("SEEN(.*?)SEEN", done.stdout)
    assert found is not None
    seen = json.loads(found[1].replace("&quot;", '"'))
    assert (seen["lines"], seen["panels"], seen["panelsWithOneGameLess"]) == (4, 2, 1)
    assert seen["linesWithOneMethodLess"] == 1
    assert seen["linesOfSingleSeeds"] == 3
    assert seen["dormant"] == 20.0
    assert (seen["x"], seen["zoomed"]) == (100, [200, 400])
    assert seen["themes"] == ["rgb(255, 255, 255)", "rgb(22, 24, 28)"]
    assert seen["shown"] == "2 runs"
    assert seen["sorted"]
    assert seen["hovered"]


PAGES = """
<script>
window.addEventListener("load", () => {
  const box = document.querySelector(".paged");
  const filter = box.querySelector("input");
  const state = () => {
    const rows = [...box.querySelectorAll("tbody tr")];
    return [rows.length, rows[0].cells[0].textContent, rows.at(-1).cells[0].textContent,
      box.querySelector(".count").textContent,
      box.querySelector(".pager").hidden ? "" : box.querySelector(".place").textContent,
      box.querySelector(".previous").disabled, box.querySelector(".next").disabled, rows.some((row) => row.hidden)];
  };
  const seen = [state()];
  const click = (name) => { box.querySelector(name).click(); seen.push(state()); };
  click(".next"); click(".next"); click(".previous"); click("th"); click("th");
  filter.value = "W 1";
  filter.dispatchEvent(new Event("input"));
  seen.push(state());
  document.title = "SEEN" + JSON.stringify(seen) + "SEEN";
});
</script>
"""


def test_a_long_table_shows_its_first_rows_and_holds_all() -> None:
    long = table(["run"], [[Cell(f"w {number}", number)] for number in range(120)], identifier="t", noun="runs")
    assert (long.count("<tr>"), long.count("<tr hidden>")) == (1 + 50, 70)
    assert ">120 runs</span>" in long
    assert "<input" not in table(["run"], [[Cell("w")]] * 50)
    assert "<input" in table(["run"], [[Cell("w")]] * 51)


@pytest.mark.browser
def test_a_long_table_is_paged_sorted_and_filtered_as_a_whole(tmp_path: Path) -> None:
    assert CHROMIUM is not None, "Chromium is not installed"
    long = table(["run"], [[Cell(f"w {number}", number)] for number in range(120)], identifier="runs", noun="runs")
    script = (Path(report.__file__).parent / "page.js").read_text().partition("// Tables")[2]
    probed = tmp_path / "probed.html"
    probed.write_text(f"<body>{long}<script>// Tables{script.replace('setTheme(theme);', '')}</script>{PAGES}</body>")
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={tmp_path / 'user'}", "--dump-dom", probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    answer = re.search("SEEN(.*?)SEEN", done.stdout)
    assert answer is not None
    assert json.loads(answer[1]) == [
        [50, "w 0", "w 49", "120 runs", "page 1 of 3", True, False, False],
        [50, "w 50", "w 99", "120 runs", "page 2 of 3", False, False, False],
        [20, "w 100", "w 119", "120 runs", "page 3 of 3", False, True, False],
        [50, "w 50", "w 99", "120 runs", "page 2 of 3", False, False, False],
        [50, "w 0", "w 49", "120 runs", "page 1 of 3", True, False, False],
        [50, "w 119", "w 70", "120 runs", "page 1 of 3", True, False, False],
        [39, "w 119", "w 1", "39 runs", "", True, True, False],
    ]


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_can_be_looked_at_in_light_and_dark(page: Path, tmp_path: Path, dark: bool) -> None:
    import matplotlib.image

    assert CHROMIUM is not None, "Chromium is not installed"
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    command = [CHROMIUM, *FLAGS.split(), *theme, f"--user-data-dir={tmp_path / 'user'}", "--window-size=1300,2600",
               f"--screenshot={tmp_path / 'page.png'}", page.as_uri()]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    image = matplotlib.image.imread(tmp_path / "page.png")
    assert image.shape[:2] == (2600, 1300)
    assert (image[5, 5, :3] < 0.2).all() if dark else (image[5, 5, :3] > 0.95).all()


@pytest.mark.browser
def test_a_page_of_hostile_names_works_and_runs_none_of_them(hostile: Path, tmp_path: Path) -> None:
    assert CHROMIUM is not None, "Chromium is not installed"
    probed = hostile.with_name("probed.html")
    probe = "<script>window.addEventListener('load', () => { document.title += ` ${plotted()} lines`; });" \
            "const plotted = () => document.getElementById('curves').data.length;</script>"  # fmt: skip
    probed.write_text(hostile.read_text().replace("</body>", f"{probe}</body>"))
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={tmp_path}", "--dump-dom", probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    assert title[1].startswith("redo_lab: ")
    assert title[1].endswith(" 4 lines")
