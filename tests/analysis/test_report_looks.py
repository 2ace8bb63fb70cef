"""How the report looks: nothing cut or overflowing at any width, dark pictures on a dark page, figures without gaps."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from redo_lab.analysis.report import excerpts
from redo_lab.analysis.report.dark import PAGE, with_dark
from redo_lab.analysis.report.excerpts import LEAST, excerpt
from redo_lab.analysis.report.pictures import ACROSS, WIDE, rows
from redo_lab.cli import main
from tests.helpers.browser import CHROMIUM, FLAGS
from tests.helpers.studies import make_long_names, make_run

METHODS = ("none", "redo", "weight_decay")
GAMES = ("breakout", "demon_attack", "pong", "qbert", "seaquest")
LONG = "[2026-01-01 00:00:00] step 1000 of 1000: evaluation return 12.5"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 3 methods × 2 replay ratios × 5 games × 3 seeds, moved away from its runs; one has failed."""
    root = tmp_path_factory.mktemp("looks")
    for run in make_long_names(root / "runs", METHODS, GAMES, 3):
        (run / "log.txt").write_text("".join(f"{LONG} {line}\n" for line in range(200)))
    make_run(root / "runs", "redo", "zaxxon", 0, [1.0], state="failed", error="ValueError: no", replay_ratio=1.0)
    words = ["--by", "recycler", "replay_ratio", "--repetitions", "50", "--allow-missing"]
    assert main(["report", str(root / "runs"), "-o", str(root / "report.html"), *words]) == 0
    (root / "alone").mkdir()
    return (root / "report.html").rename(root / "alone" / "report.html")


def figures_of(page: Path) -> list[tuple[str, str, str]]:
    """Class, name and caption of every figure."""
    pattern = r'<figure class="([\w ]+)" id="figure-(\w+)">.*?<figcaption>(.*?)</figcaption>'
    return [
        (kind, name, re.sub("<[^>]*>", "", caption)) for kind, name, caption in re.findall(pattern, page.read_text())
    ]


def test_warnings_stand_once_and_in_no_caption(page: Path) -> None:
    text = page.read_text()
    warning = "fewer than 5 seeds"
    assert text.count(warning) == 1
    assert text.count("ValueError: no") == 1
    assert text.count("3 seeds × 5 games per method, atari, scale paper") == 1
    captions = [caption.lower() for _, _, caption in figures_of(page)]
    assert len(captions) >= 8
    assert not any("seeds ×" in caption or "left out" in caption or warning in caption for caption in captions)


def test_captions_say_what_lines_are_of(page: Path) -> None:
    captions = {name: caption for _, name, caption in figures_of(page)}
    assert "Lines: mean of seeds." in captions["learning_curves"]
    assert "Lines: IQM of seeds and games." in captions["efficiency"]


def test_every_row_of_figures_is_full_or_has_its_caption_beside_it(page: Path) -> None:
    places = 0
    for kind, _, _ in figures_of(page):
        if "alone" in kind:
            assert places % ACROSS == 0, "it begins a row"
            places += ACROSS
        else:
            places += {"column": 1, "page": WIDE, "full": ACROSS}[kind]
    assert places % ACROSS in (0, 2), "only the last row may lack a column's width"


def test_figures_are_put_side_by_side_in_their_order() -> None:
    assert rows([1, 2, 1, 1, 1]) == [[0, 1], [2, 3, 4]]
    assert rows([1, 1, 2, 2]) == [[0, 1], [2], [3]]
    assert rows([2, 2, 1, 2]) == [[0, 2], [1], [3]]
    assert rows([1, 3, 2]) == [[0, 2], [1]], "a high one has a row for itself"
    assert rows([]) == []


def test_pictures_hold_their_dark_colours_and_wide_ones_a_narrow_form(page: Path) -> None:
    pictures = re.findall(r"<picture>(.*?)</picture>", page.read_text())
    assert len(pictures) >= 8
    for picture in pictures:
        for svg in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", picture):
            text = base64.b64decode(svg).decode()
            assert text.count("prefers-color-scheme: dark") == 1
            style, _, rest = text.partition("</style>")
            painted = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", rest.partition("</style>")[2]))
            assert painted <= set(re.findall(r'(#[0-9a-f]{6})"\]', style)), "every colour has a dark one"
            width = re.search(r'<svg [^>]*width="([\d.]+)pt"', text)
            assert width is not None
            assert float(width[1]) == 234 or "<source" in picture, (
                "as wide as a column, or drawn anew for a narrow page"
            )


def test_white_becomes_the_card_and_black_nearly_white() -> None:
    dark = with_dark(b'<svg a="b"><path style="fill: #ffffff"/><path style="stroke: #000000"/></svg>').decode()
    assert dark.startswith('<svg a="b"><style>@media (prefers-color-scheme: dark){')
    assert f'[style*="fill: #ffffff"]{{fill:{PAGE["ffffff"]}!important}}' in dark
    assert '[style*="stroke: #000000"]{stroke:#EEEEEE!important}' in dark
    assert "svg{fill:#EEEEEE}" in dark, "what is black by default, too"


def test_the_end_of_each_log_is_in_the_page(page: Path) -> None:
    data = re.search(r'<script id="logs" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)
    assert data is not None
    texts = json.loads(data[1])
    assert len(texts) == 91
    first, *_, last = texts[0].splitlines()
    assert (first, last) == ("…", f"{LONG} 199")
    assert all(line.startswith(LONG) for line in texts[0].splitlines()[1:]), "whole lines"


def test_an_excerpt_is_short_whole_and_of_a_regular_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    log = tmp_path / "log.txt"
    assert excerpt(log, 100) is None
    log.write_text("one\ntwo\n\x1b[31mthree\n")
    assert excerpt(log, 100) == "one\ntwo\n�[31mthree"
    assert excerpt(log, 18) == "…\ntwo\n�[31mthree"
    log.write_text("")
    assert excerpt(log, 100) is None
    os.mkfifo(tmp_path / "fifo")
    assert excerpt(tmp_path / "fifo", 100) is None
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "log.txt").write_text("x" * 99 + "\n" + "y" * 250 + "\n")
    monkeypatch.setattr(excerpts, "TOGETHER", 1000)
    (text,) = set(json.loads("".join(excerpts.excerpts([str(tmp_path / "many")] * 50))))
    assert text == "…\n" + "y" * 250
    assert len(text) <= LEAST


MEASURE = """
<script>
window.addEventListener("load", () => setTimeout(() => {
  const inside = (element) => element.closest("#curves") || element.closest("svg");
  const name = (element) => `${element.tagName} ${element.id} ${element.className} ${element.textContent.slice(0, 30)}`;
  const every = [...document.querySelectorAll("body, body *")];
  const shown = every.filter((element) => element.clientWidth && !inside(element));
  const right = document.documentElement.clientWidth;
  const image = document.querySelector("#figure-learning_curves img");
  document.querySelector("#runs a[data-log]").click();
  const plot = document.getElementById("curves");
  const axis = (note) => plot.layout[note.xref.split(" ")[0].replace("x", "xaxis")];
  const cell = document.querySelector("#runs tbody tr:not(.log) td:nth-child(5)");
  parent.postMessage({
    overflowing: shown.filter((element) => element.scrollWidth > element.clientWidth + 1).map(name),
    outside: shown.filter((element) => element.getBoundingClientRect().right > right + 1).map(name),
    width: window.innerWidth,
    ratio: image.naturalWidth / image.naturalHeight,
    letters: 7.5 * image.clientWidth / image.naturalWidth * 4 / 3,
    log: document.querySelector("tr.log pre").textContent.slice(-4),
    label: getComputedStyle(cell, "::before").content,
    across: new Set(plot.layout.annotations.map((note) => axis(note).domain[0])).size,
    titles: [plot.layout.yaxis.title.text, plot.layout[`xaxis${plot.layout.annotations.length}`].title.text],
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
  }, "*");
}, 500));
</script>
"""
FRAME = """<!doctype html><body style="margin:0"><script>
window.addEventListener("message", (event) => { document.title = "SEEN" + JSON.stringify(event.data) + "SEEN"; });
</script><iframe style="border:0" width="WIDTH" height="3000" src="PAGE"></iframe></body>"""


def measured(page: Path, folder: Path, width: int) -> dict[str, Any]:
    """What the page says of itself at that width: in a frame, as no window is so narrow."""
    assert CHROMIUM is not None, "Chromium is not installed"
    (folder / "probed.html").write_text(page.read_text().replace("</body>", f"{MEASURE}</body>"))
    frame = FRAME.replace("WIDTH", str(width)).replace("PAGE", (folder / "probed.html").as_uri())
    (folder / "frame.html").write_text(frame)
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={folder / 'user'}", "--window-size=1500,3000", "--dump-dom",
               (folder / "frame.html").as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    answer = re.search("<title>SEEN(.*?)SEEN</title>", done.stdout)
    assert answer is not None, done.stdout[:500]
    content = json.loads(unescape(answer[1]))
    assert isinstance(content, dict)
    return content


@pytest.mark.browser
@pytest.mark.parametrize(("width", "across"), [(420, 1), (900, 2), (1400, 3)])
def test_nothing_is_cut_or_overflows_at_any_width(page: Path, tmp_path: Path, width: int, across: int) -> None:
    answer = measured(page, tmp_path, width)
    assert answer["width"] == width
    assert (answer["overflowing"], answer["outside"]) == ([], [])
    assert answer["across"] == across
    assert answer["titles"] == ["evaluation/return_mean", "agent steps"]
    assert answer["log"] == " 199", "the end of the log, where the runs are elsewhere"
    assert answer["label"] == ('"state"' if width == 420 else "none"), "on a narrow page each number says what it is"
    assert answer["letters"] > 10, "letters of a figure in pixels"
    assert (answer["ratio"] < 1) == (width == 420), "on a narrow page a picture is high, not wide"


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_figures_are_as_dark_as_the_page_and_follow_its_button(page: Path, tmp_path: Path, dark: bool) -> None:
    import matplotlib.image

    assert CHROMIUM is not None, "Chromium is not installed"
    probe = "<style>main > section:not(:has(.figures)), header, nav, .lead { display: none }</style>"
    for turned in (False, True):
        click = "<script>document.getElementById('theme').click();</script>" if turned else ""
        probed = tmp_path / f"{turned}.html"
        probed.write_text(page.read_text().replace("</body>", f"{probe}{click}</body>"))
        theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
        command = [CHROMIUM, *FLAGS.split(), *theme, f"--user-data-dir={tmp_path / 'user'}", "--window-size=1400,1000",
                   f"--screenshot={tmp_path / 'page.png'}", probed.as_uri()]  # fmt: skip
        subprocess.run(command, capture_output=True, check=True, timeout=120)
        image = matplotlib.image.imread(tmp_path / "page.png")[..., :3]
        bright = float((image.mean(axis=2) > 0.8).mean())
        assert bright < 0.1 if dark != turned else bright > 0.7, (dark, turned, bright)
