"""What is missing or mixed is found, listed and refused; once allowed, the numbers say what they leave out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from redo_lab.analysis.normalise import Normalisation
from redo_lab.analysis.score_table import ScoreTable, collect
from redo_lab.cli import main
from redo_lab.runs.checkpoint import Checkpoints
from redo_lab.runs.table import load
from tests.helpers.studies import GIT, VERSIONS, make_grid, make_run

PONG = {"recycler": "redo", "game": "pong", "seed": 1, "returns": [1.0]}


def remove(root: Path) -> None:
    directory = root / "redo-pong-1"
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()


def replaced(root: Path, **options: object) -> None:
    remove(root)
    make_run(root, **{**PONG, **options})  # type: ignore[arg-type]


def game_of_one_method(root: Path) -> None:
    for seed in range(2):
        make_run(root, "none", "qbert", seed, [1000.0])


def cut(metrics: Path) -> None:
    """60 % of its lines are left."""
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(lines[: 1 + (len(lines) - 1) * 6 // 10]))


RULES: dict[str, tuple[Callable[[Path], object], str]] = {
    "unequal seeds": (remove, "redo · Pong · seed 1: no run"),
    "missing game": (game_of_one_method, "redo · Q*bert · seed 0: no run"),
    "unfinished run": (
        lambda root: replaced(root, state="running"),
        "redo · Pong · seed 1: running at 250 of 1000 agent steps",
    ),
    "mixed commits": (
        lambda root: replaced(root, git={"commit": "decaf", "dirty": False}),
        "different commits of the code: c0ffee (7 runs), decaf (1 run)",
    ),
    "mixed uncommitted changes": (
        lambda root: replaced(root, git={**GIT, "dirty": True}),
        "c0ffee (7 runs), c0ffee with uncommitted changes (1 run)",
    ),
    "mixed versions": (
        lambda root: replaced(root, versions={**VERSIONS, "torch": "9"}),
        "different versions of the code: redo_lab 0.1.0, torch 2.13.0 (7 runs), redo_lab 0.1.0, torch 9 (1 run)",
    ),
    "mixed scales": (lambda root: replaced(root, scale="demo"), "1 run has scale demo, most have paper"),
    "mixed lengths": (lambda root: replaced(root, steps=500), "1 run has agent steps 500, most have 1000"),
    "cut metrics": (
        lambda root: cut(root / "redo-pong-1" / "metrics.csv"),
        "redo · Pong · seed 1: finished, but its last evaluation is at 600 of 1000 agent steps: metrics.csv was cut",
    ),
    "continued with other code": (
        lambda root: (root / "redo-pong-1" / "attempts.jsonl").write_text('{"commit": "c0ffee"}\n{"commit": "decaf"}'),
        "ontinued with other code: redo-pong-1 (c0ffee, then decaf)",
    ),
    "damaged status": (
        lambda root: (root / "redo-pong-1" / "status.json").write_text(""),
        "redo · Pong · seed 1: unknown at 0 of 1000 agent steps: status.json can't be understood",
    ),
    "damaged run.json": (
        lambda root: (root / "redo-pong-1" / "run.json").write_text("{"),
        "redo · Pong · seed 1: no run",
    ),
    "no score": (lambda root: replaced(root, returns=[float("nan")]), "its final score is nan"),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("verb", ["aggregate", "figure", "report"])
def test_every_rule_refuses_in_every_verb_and_nothing_is_written(
    tmp_path: Path, rule: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it, said = RULES[rule]
    make_grid(tmp_path / "runs")
    break_it(tmp_path / "runs")
    output = tmp_path / "out" / ("report.html" if verb == "report" else "")
    words = [verb, *(["iqm"] if verb == "figure" else []), str(tmp_path / "runs"), "-o", str(output)]
    assert main([*words, "--repetitions", "20"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "--allow-missing" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rule", RULES)
def test_what_is_allowed_is_in_the_caption(tmp_path: Path, rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    break_it, said = RULES[rule]
    make_grid(tmp_path / "runs")
    break_it(tmp_path / "runs")
    words = ["figure", "iqm", str(tmp_path / "runs"), "-o", str(tmp_path), "--repetitions", "20", "--format", "svg"]
    assert main([*words, "--allow-missing"]) == 0
    assert said in (tmp_path / "iqm.txt").read_text()
    assert said in capsys.readouterr().err


def scores_at(root: Path, **options: object) -> ScoreTable:
    return collect(load([root]), **options)  # type: ignore[arg-type]


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    make_grid(tmp_path)
    replaced(tmp_path, scale="demo")
    make_run(tmp_path, "none", "qbert", 0, [1.0], git={"commit": "decaf", "dirty": False})
    with pytest.raises(ValueError, match="things are in the way") as raised:
        scores_at(tmp_path)
    for said in ("scale demo", "redo · Pong · seed 1: no run", "decaf", "redo · Q*bert · seed 0: no run"):
        assert said in str(raised.value)


def test_what_is_common_is_kept(tmp_path: Path) -> None:
    make_grid(tmp_path, seeds=3)
    replaced(tmp_path, steps=500)
    found = scores_at(tmp_path, allow_missing=True)
    assert found.seeds == {"none": (0, 1, 2), "redo": (0, 2)}
    assert found.left_out[0] == "1 run has agent steps 500, most have 1000"
    assert "unequal numbers of seeds: none: 3; redo: 2" in found.warnings()


def test_methods_may_differ_in_length_where_that_is_the_point(tmp_path: Path) -> None:
    for ratio, steps in ((0.25, 1000), (1.0, 250)):
        make_run(tmp_path, "none", "pong", 0, [1.0], steps=steps, replay_ratio=ratio)
    with pytest.raises(ValueError, match="agent steps"):
        scores_at(tmp_path)
    assert scores_at(tmp_path, mixed_steps=True).methods == ("RR 0.25", "RR 1")


def test_only_the_same_seeds_can_be_paired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_grid(tmp_path / "runs", seeds=3)
    words = ["figure", "improvement", str(tmp_path / "runs"), "-o", str(tmp_path), "--repetitions", "20", "--paired"]
    assert main(words) == 0
    remove(tmp_path / "runs")
    assert main([*words, "--allow-missing"]) == 2
    assert "--paired needs the same seeds of every method (none: 0, 1, 2; redo: 0, 2)" in capsys.readouterr().err


def test_suites_have_nothing_in_common(tmp_path: Path) -> None:
    make_run(tmp_path, "none", "pong", 0, [1.0])
    make_run(tmp_path, "redo", "pong", 0, [1.0], suite="minatar")
    with pytest.raises(ValueError, match=r"several suites \(atari, minatar\).*--where suite=atari"):
        scores_at(tmp_path, allow_missing=True)


def supervised(root: Path, name: str, seed: int, value: float, epochs: int = 3) -> Path:
    """A run of a study that knows no game, suite or scale, and counts epochs."""
    directory = root / name
    directory.mkdir(parents=True)
    axes = {"targets": name.partition("-")[0], "regulariser": "none", "seed": seed}
    run = {"run_id": name, "experiment": "e", "study": "supervised", "axes": axes, "total": epochs, "unit": "epochs"}
    (directory / "run.json").write_text(json.dumps({**run, "clocks": {"env_steps": "samples", "updates": "updates"}}))
    status = {"state": "finished", "done": epochs, "total": epochs, "unit": "epochs", "updates": 30}
    (directory / "status.json").write_text(json.dumps(status))
    lines = [f"{10 * at},{at},evaluation/return_mean,{value * at}" for at in range(1, 4)]
    (directory / "metrics.csv").write_text("env_steps,updates,name,value\n" + "\n".join(lines) + "\n")
    return directory


def test_runs_without_a_game_are_of_one_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        for targets, value in (("kept", 1.0), ("shuffled", 2.0)):
            supervised(tmp_path / "runs", f"{targets}-{seed}", seed, value + seed)
    scores = scores_at(tmp_path / "runs")
    assert (scores.suite, scores.games, scores.methods) == ("supervised", ("one task",), ("kept", "shuffled"))
    assert scores.scores["shuffled"].tolist() == [[6.0], [9.0]]
    fast = ["--repetitions", "20"]
    assert main(["aggregate", str(tmp_path / "runs"), *fast]) == 0
    assert main(["report", str(tmp_path / "runs"), "-o", str(tmp_path / "r.html"), *fast]) == 0
    assert main(["runs", str(tmp_path / "runs")]) == 0
    assert "2 seeds × one task per method, supervised" in (tmp_path / "runs" / "iqm.txt").read_text()
    supervised(tmp_path / "runs", "kept-2", 2, 1.0, epochs=4)
    with pytest.raises(ValueError, match="1 run has epochs 4, most have 3"):
        scores_at(tmp_path / "runs")
    make_run(tmp_path / "runs", "none", "pong", 0, [1.0])
    with pytest.raises(ValueError, match=r"several suites \(atari, supervised\).*--where suite=atari"):
        scores_at(tmp_path / "runs")


def test_a_run_without_a_seed_has_seed_0(tmp_path: Path) -> None:
    run = supervised(tmp_path, "kept-0", 0, 1.0)
    content = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**content, "axes": {}}))
    scores = scores_at(tmp_path)
    assert (scores.methods, scores.seeds) == (("supervised",), {"supervised": (0,)})


def test_settings_tell_methods_apart_where_nothing_else_does(tmp_path: Path) -> None:
    for width in (1, 2):
        make_run(tmp_path / str(width), "none", "pong", 0, [1.0], settings={"network": {"width": width}})
    assert scores_at(tmp_path).methods == ("none, width 1", "none, width 2")
    with pytest.raises(
        ValueError, match=r"has 2 runs; they also differ in network\.width, experiment: add one to --by"
    ):
        scores_at(tmp_path, by=["recycler"])
    assert scores_at(tmp_path, by=["network.width"]).methods == ("width 1", "width 2")


def test_min_max_is_from_random_to_the_best(tmp_path: Path) -> None:
    make_grid(tmp_path)
    found = scores_at(tmp_path, normalisation=Normalisation.MINMAX)
    assert found.scales["breakout"] == pytest.approx((1.7, 2 * 28.8))
    assert found.scores["redo"].max(axis=0) == pytest.approx([1.0, 1.0])
    assert "random (0) to the best run here (1)" in found.label
    for seed in range(2):
        make_run(tmp_path / "flat", "none", "breakout", seed, [1.7])
    with pytest.raises(ValueError, match=r"no run is above 1\.7, so there is no min-max scale"):
        scores_at(tmp_path / "flat", normalisation=Normalisation.MINMAX)


def test_few_seeds_carry_a_warning_and_uncommitted_code_too(tmp_path: Path) -> None:
    make_grid(tmp_path, seeds=4, git={**GIT, "dirty": True})
    assert scores_at(tmp_path).warnings() == [
        "fewer than 5 seeds (4 of every method): too few for intervals to rely on",
        "the code had uncommitted changes",
    ]


def test_a_long_list_is_cut_in_a_caption_but_not_in_the_terminal(tmp_path: Path) -> None:
    make_grid(tmp_path, seeds=12)
    for seed in range(10):
        (tmp_path / f"redo-pong-{seed}" / "status.json").unlink()
    found = scores_at(tmp_path, allow_missing=True)
    (line,) = found.missing()
    assert line.count(";") == 5
    assert line.endswith(f"and {len(found.left_out) - 5} more")


def test_a_finished_run_whose_metrics_were_changed_afterwards_is_refused_by_name(tmp_path: Path) -> None:
    make_grid(tmp_path)
    directory = tmp_path / "redo-pong-1"
    path = directory / "metrics.csv"
    whole = path.read_bytes()
    facts = {"metrics_bytes": len(whole), "metrics_sha256": hashlib.sha256(whole).hexdigest()}
    Checkpoints(directory / "checkpoint").commit(1000, b"state", [], facts)
    assert collect(load([tmp_path])).left_out == ()
    changed = whole.replace(b"1000,1000,evaluation/return_mean,", b"1000,1000,evaluation/return_mean,9")
    path.write_bytes(changed)
    with pytest.raises(ValueError, match=r"redo · Pong · seed 1: finished, but .*metrics.csv has .* bytes, but had"):
        collect(load([tmp_path]))
    path.write_bytes(whole.replace(b",0.0\n", b",0.5\n", 1))
    with pytest.raises(ValueError, match="was changed after the run had finished"):
        collect(load([tmp_path]))
