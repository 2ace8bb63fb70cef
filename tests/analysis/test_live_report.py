"""`redo-lab report --watch` and `--serve`: the page follows the runs, and an open one can tell that it has changed."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from http.client import HTTPResponse
from pathlib import Path

import pytest

from redo_lab.analysis.report import serve, watch
from redo_lab.cli import main
from redo_lab.runs import status
from tests.helpers.browser import CHROMIUM, FLAGS
from tests.helpers.launched import own
from tests.helpers.studies import make_run


def rewrite_status(directory: Path, **fields: object) -> None:
    path = directory / "status.json"
    blank = asdict(status.blank(1000, "agent steps"))
    path.write_text(json.dumps({**blank, **json.loads(path.read_text()), **fields}))


def test_a_page_is_renewed_when_something_has_changed_and_once_more_at_the_end() -> None:
    events: list[str] = []
    versions = iter([1, 1, 2, 2, 3])
    over = iter([False, False, False, False, True])
    watch.watch(
        lambda: events.append("renewed"),
        lambda: next(versions),
        lambda: next(over),
        7.0,
        lambda s: events.append(f"{s:g}"),
    )
    assert events == ["renewed", "7", "7", "renewed", "7", "7", "renewed"]


def test_a_sign_of_life_is_no_change_but_a_number_or_a_state_is(tmp_path: Path) -> None:
    run = make_run(tmp_path, "none", "pong", 0, [1.0, 2.0], state="running")
    rewrite_status(run)
    first = watch.fingerprint([tmp_path])
    rewrite_status(run, heartbeat=1e9, updates=7)
    assert watch.fingerprint([tmp_path]) == first
    with (run / "metrics.csv").open("a") as file:
        file.write("300,300,evaluation/return_mean,3.0\n")
    second = watch.fingerprint([tmp_path])
    assert second != first
    rewrite_status(run, state="failed")
    third = watch.fingerprint([tmp_path])
    assert third != second
    make_run(tmp_path, "redo", "pong", 0, [1.0])
    assert watch.fingerprint([tmp_path]) != third


def data_of(page: str) -> dict[str, object]:
    match = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    data = json.loads(match[1])
    assert isinstance(data, dict)
    return data


def test_the_page_has_the_curves_of_runs_that_go_on_and_scores_when_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run is finished, of the other method one goes on until the second look."""
    rewrite_status(make_run(tmp_path / "runs", "none", "pong", 0, [1.0, 2.0], steps=200))
    run = make_run(tmp_path / "runs", "redo", "pong", 0, [5.0, 6.0], state="running", steps=200)
    rewrite_status(run)
    lease = own(run)
    page = tmp_path / "report.html"
    pages: list[str] = []
    original = watch.fingerprint

    def looked(paths: Sequence[Path]) -> Hashable:
        assert len(pages) < 3
        if page.exists():
            pages.append(page.read_text())
        if len(pages) == 1:
            rewrite_status(run, state="finished", env_steps=200)
            lease.release()
        return original(paths)

    monkeypatch.setattr(watch, "fingerprint", looked)
    words = [str(tmp_path / "runs"), "-o", str(page), "--repetitions", "50", "--by", "recycler"]
    assert main(["report", *words, "--watch", "--every", "0.001"]) == 0
    assert capsys.readouterr().out.count("written:") == 2, "the last look found nothing new"
    first, last = pages[0], page.read_text()
    assert "No scores yet" in first
    assert "1 running" in first
    for text in (first, last):
        curves = data_of(text)["curves"]
        assert isinstance(curves, dict)
        assert curves["evaluation/return_mean"]["Pong"]["redo"]["0"][2] == [5.0, 6.0]
        assert "location.reload()" in text
    assert "No scores yet" not in last
    assert "2 finished" in last
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_without_watch_the_page_asks_for_nothing(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "none", "pong", 0, [1.0, 2.0])
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "runs"), "-o", str(page), "--repetitions", "50"]) == 0
    assert "location.reload" not in page.read_text()


def test_ctrl_c_ends_a_watch_and_the_page_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "runs", "none", "pong", 0, [1.0, 2.0])
    page = tmp_path / "report.html"

    def interrupted(*_: object) -> None:
        page.write_text("whole")
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "watch", interrupted)
    assert main(["report", str(tmp_path / "runs"), "-o", str(page), "--watch", "--serve"]) == 0
    assert page.read_text() == "whole"


def answer(address: str, method: str = "GET", host: str | None = None) -> HTTPResponse:
    headers = {} if host is None else {"Host": host}
    response = urllib.request.urlopen(urllib.request.Request(address, method=method, headers=headers))
    assert isinstance(response, HTTPResponse)
    return response


def test_only_the_page_is_served_and_its_tag_changes_with_it(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    (tmp_path / "secret.txt").write_text("secret")
    with serve.served(page, 0) as address:
        assert address.startswith("http://127.0.0.1:")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            answer(address)
        page.write_text("one")
        with answer(address) as first:
            assert first.read() == b"one"
        with answer(address, "HEAD") as head:
            assert (head.read(), head.headers["ETag"]) == (b"", first.headers["ETag"])
        page.write_text("second")
        with answer(address) as second:
            assert second.read() == b"second"
        assert second.headers["ETag"] != first.headers["ETag"]
        for path in ("secret.txt", "../secret.txt", "report.html/../secret.txt"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                answer(address + path)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            answer(address, host="evil.example:80")


@pytest.mark.browser
def test_an_open_page_takes_up_a_new_version_with_its_readers_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader has chosen single seeds; when the page has asked for its version once, the file gets a new title."""
    assert CHROMIUM is not None, "Chromium is not installed"
    for recycler in ("none", "redo"):
        rewrite_status(make_run(tmp_path / "runs", recycler, "pong", 0, [1.0, 2.0]))
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "runs"), "-o", str(page), "--repetitions", "50", "--watch"]) == 0
    probe = "<script>window.addEventListener('load', () => { const single = document.getElementById('single'); " \
            "if (!document.title.startsWith('new ')) single.click(); " \
            "else fetch(location.href, { method: 'HEAD', headers: { 'X-Single': single.checked } }); });" \
            "</script></body>"  # fmt: skip
    first = page.read_text().replace("</body>", probe)
    second = tmp_path / "second.html"
    page.write_text(first)
    second.write_text(first.replace("<title>", "<title>new "))
    original = serve._Handler.do_HEAD
    answers: list[str] = []
    over = threading.Event()

    def head(handler: serve._Handler) -> None:
        original(handler)
        if second.exists():
            second.replace(page)
        if answer := handler.headers.get("X-Single"):
            answers.append(answer)
            over.set()

    monkeypatch.setattr(serve._Handler, "do_HEAD", head)
    flags = [flag for flag in FLAGS.split() if not flag.startswith("--virtual-time")]
    with serve.served(page, 0) as address, (tmp_path / "errors").open("w") as errors:
        # A port to be told on keeps Chromium open.
        command = [CHROMIUM, *flags, "--remote-debugging-port=0", f"--user-data-dir={tmp_path / 'user'}", address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process:
            over.wait(100)
            process.terminate()
    assert "CONSOLE" not in (tmp_path / "errors").read_text()
    assert answers == ["true"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--watch"], "which runs?"),
        (["runs", "--watch", "--every", "0"], "--every must be > 0"),
        (["runs", "--serve", "70000"], "at most 65535"),
        (["--watch", "--from", "wandb:x/y"], "--watch looks at run directories"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *words]) == 2
    assert message in capsys.readouterr().err
