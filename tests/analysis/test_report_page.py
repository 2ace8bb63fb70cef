"""The report in headless Chromium: its page works without a network."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from redo_lab.analysis import report
from redo_lab.analysis.report.markup import Cell, table
from tests.helpers.browser import CHROMIUM, FLAGS

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
