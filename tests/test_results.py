"""`make results`: what is trained in which order, what is drawn, and what lies in docs/results then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from redo_lab.commands import sweep
from redo_lab.runs import status
from scripts import results, results_drawing
from scripts.results import PLAN, Plan


def written(root: Path, text: str) -> Path:
    path = root / "plan.yaml"
    path.write_text(text)
    return path


def test_every_sweep_has_a_seed_before_any_has_the_next(tmp_path: Path) -> None:
    text = "words: [scale=laptop]\nseeds: [0, 1, 3]\nsweeps: [fig1, fig3 targets=fixed]\n"
    commands = list(Plan.read(written(tmp_path, text)).commands())
    assert commands == [
        ["sweep", "fig1", "scale=laptop", "seed=0"],
        ["sweep", "fig3", "targets=fixed", "scale=laptop", "seed=0"],
        ["sweep", "fig1", "scale=laptop", "seed=1"],
        ["sweep", "fig3", "targets=fixed", "scale=laptop", "seed=1"],
        ["sweep", "fig1", "scale=laptop", "seed=3"],
        ["sweep", "fig3", "targets=fixed", "scale=laptop", "seed=3"],
    ]


def test_a_seed_that_a_sweep_does_not_have_is_left_out(tmp_path: Path) -> None:
    plan = Plan.read(written(tmp_path, "words: [scale=paper]\nseeds: [2, 4]\nsweeps: [fig3, fig1]\n"))
    assert [words[1:] for words in plan.commands()] == [
        ["fig3", "scale=paper", "seed=2"],
        ["fig1", "scale=paper", "seed=2"],
        ["fig1", "scale=paper", "seed=4"],
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("words: []\nseeds: []\nsweeps: [fig99]\n", "there is no sweep 'fig99'"),
        ("words: []\nseeds: []\n", "a plan has the keys words, seeds, sweeps"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(
    tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        results.main(["--plan", str(written(tmp_path, text))])
    assert reason in capsys.readouterr().err


def test_the_shipped_plan_names_sweeps_that_there_are_and_every_seed_of_them() -> None:
    plan = Plan.read(PLAN)
    assert plan.scale == "laptop"
    commands = {(name, words[-1]) for _, name, *words in plan.commands()}
    for name, *words in plan.sweeps:
        seeds = {seed for other, seed in commands if other == name}
        assert seeds == results.seeds_of(name, [*words, *plan.words]) != set(), name


def test_a_sweep_that_fails_does_not_keep_the_others_and_one_that_is_stopped_ends_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "words: [scale=laptop]\nseeds: [0, 1]\nsweeps: [fig1, fig3]\n"
    plan, codes, asked = Plan.read(written(tmp_path, text)), [1, 0, 143], list[str]()

    def ended(words: list[str]) -> int:
        asked.append(f"{words[1]} {words[3]}")
        assert f"root={tmp_path}" in words
        assert "hydra.launcher.runs_at_once=2" in words
        return codes[len(asked) - 1]

    monkeypatch.setattr(results, "run", ended)
    assert results.train(plan, tmp_path, 2) == 143
    assert asked == ["fig1 seed=0", "fig3 seed=0", "fig1 seed=1"]
    asked, codes[:] = [], [1, 0, 0, 0]
    assert results.train(plan, tmp_path, 2) == 1


def test_what_has_finished_is_drawn_with_a_record_of_where_it_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real runs of Figure 3 at scale=smoke, half of them finished."""
    root, output = tmp_path / "runs", tmp_path / "results"
    words = ["scale=smoke", "logger=none"]
    plan = Plan.read(written(tmp_path, f"words: [{', '.join(words)}]\nseeds: [0]\nsweeps: [fig3]\n"))
    assert results_drawing.draw_all(plan, root, output) == 0
    assert "holds no finished run" in capsys.readouterr().out
    assert sweep.main(["fig3", *words, f"root={root}", "seed=0"]) == 0
    assert results_drawing.draw_all(plan, root, output) == 0
    assert sorted(path.name for path in output.iterdir()) == ["fig3"]
    assert sorted(path.name for path in (output / "fig3").iterdir()) == [
        "about.json",
        "fig3.csv",
        "fig3.png",
        "fig3.txt",
    ]
    facts = json.loads((output / "fig3" / "about.json").read_text())
    assert (facts["id"], facts["scale"], facts["finished"], facts["planned"]) == ("fig3", "smoke", 2, 2)
    assert facts["commands"] == ["redo-lab sweep fig3 scale=smoke logger=none", "redo-lab figure fig3"]
    assert facts["seeds"] == [0]
    assert len(facts["code"]) == 1
    assert facts["wall_hours"] > 0
    directory = next(iter(results_drawing.finished_runs(root).values()))
    unfinished = status.read(directory)
    assert unfinished is not None
    unfinished.state = status.State.INTERRUPTED
    status.write(directory, unfinished)
    assert len(results_drawing.finished_runs(root)) == 1
