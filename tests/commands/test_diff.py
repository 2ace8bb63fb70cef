"""redo-lab diff: in what two runs differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.cli import main
from tests.helpers.studies import make_run


def test_equal_runs_differ_in_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(tmp_path / name, "redo", "pong", 0, [1.0, float("nan")]) for name in ("a", "b")]
    assert main(["diff", *map(str, runs)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"< {runs[0]}",
        f"> {runs[1]}",
        "settings: the same",
        "code and state: the same",
        "metrics: identical",
    ]


def test_every_difference_is_told_and_where_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(
        tmp_path / "runs",
        "none",
        "pong",
        0,
        [1.0, 2.0, 3.0],
        steps=300,
        settings={"network": {"width": 1}},
        extra={"x": 1.0},
    )
    other = {"git": {"commit": "decaf", "dirty": True}, "settings": {"network": {"width": 2}, "lr": 0.1}}
    make_run(tmp_path / "runs", "redo", "pong", 0, [1.0, 2.5, 4.0, 5.0], dormant=None, steps=400, **other)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "none-pong", "redo-pong"]) == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        "settings:",
        "  network.width: 1 → 2",
        "  lr: (not there) → 0.1",
        "code and state:",
        "  code: c0ffee → decaf with uncommitted changes",
        "  done: 300 → 400",
        "metrics: 5 differ",
        "  dormant/total_tau0: only in the first",
        "  dormant/total_tau0p025: only in the first",
        "  dormant/total_tau0p1: only in the first",
        "  evaluation/return_mean: from agent step 200 (update 200) on: 2 → 2.5; last 3 → 5",
        "  x: only in the first",
    ]


def test_one_that_stops_earlier_is_the_same_up_to_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = make_run(tmp_path / "a", "redo", "pong", 0, [1.0, 2.0], dormant=None, steps=200)
    whole = make_run(tmp_path / "b", "redo", "pong", 0, [1.0, 2.0, 3.0], dormant=None, steps=300)
    assert main(["diff", str(short), str(whole)]) == 1
    assert "evaluation/return_mean: the same for 2 values, then 0 → 1 more" in capsys.readouterr().out


def test_long_lists_are_cut_unless_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        str(
            make_run(tmp_path / name, "redo", "pong", 0, [1.0], dormant=None, extra={f"m{n}": value for n in range(20)})
        )
        for name, value in (("a", 1.0), ("b", 2.0))
    ]
    assert main(["diff", *runs]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "  … and 8 more (--all)"
    assert main(["diff", *runs, "--all"]) == 1
    assert capsys.readouterr().out.count("from agent step 100") == 20


def test_mistakes_end_with_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(2):
        make_run(tmp_path / "runs", "redo", "pong", seed, [1.0])
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "redo-pong-0", "absent"]) == 2
    assert "absent: no run below runs" in capsys.readouterr().err
    assert main(["diff", "redo-pong", "redo-pong-0"]) == 2
    assert "redo-pong: 2 runs: redo-pong-0, redo-pong-1" in capsys.readouterr().err
