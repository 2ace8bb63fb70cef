"""Names of runs that would be scripts, links, formulas or terminal escapes are text wherever they are shown."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from redo_lab.cli import main
from tests.helpers.browser import CHROMIUM, FLAGS
from tests.helpers.studies import make_run


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
