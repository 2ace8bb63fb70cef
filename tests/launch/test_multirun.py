"""`train -m` with `hydra/launcher=local`: what is refused, what is skipped, and one sweep for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from redo_lab.commands import sweep, train
from redo_lab.launch import local
from redo_lab.launch.board import Board, Ended, Job
from redo_lab.launch.estimate import hours_text
from redo_lab.replay import memory
from redo_lab.runs import status
from redo_lab.runs.lease import acquire
from redo_lab.runs.status import State
from tests.helpers.composing import planned

COMMON = ["-m", "env=minatar/breakout", "scale=smoke", "replay_ratio=1", "logger=none"]


class Started:
    """Stands for the pool's `run`: notes the jobs and says that all finished."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.at_once: int | None = None

    def __call__(self, pool: local.Pool, jobs: Sequence[Job], finished_before: int = 0) -> Board:
        board = Board(pool.config.at_once(), finished_before)
        self.at_once = board.runs_at_once
        self.jobs += jobs
        for job in jobs:
            local.write_pending(job)
            found = status.read(job.directory)
            assert found is not None
            found.state = State.FINISHED
            status.write(job.directory, found)
            board.ended.append(Ended(job, found, 1.0))
        return board


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    stand_in = Started()
    monkeypatch.setattr(local.Pool, "run", lambda pool, jobs, finished_before=0: stand_in(pool, jobs, finished_before))
    return stand_in


def ask(root: Path, *words: str) -> int:
    return train.main([*COMMON, f"root={root}", *words])


def runs_below(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/*/run.json"))


def test_one_bad_job_refuses_all_before_any_directory_is_written(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, "seed=0,1", "agent.learning_rate=1e-3,-1") == 2
    said = capsys.readouterr().err
    assert "agent.learning_rate must be > 0, got -1.0 (in seed=0 agent.learning_rate=-1 and 1 more of 4 jobs)" in said
    assert started.jobs == []
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("setting", ["runs_at_once=0", "threads_per_run=-1", "refresh_seconds=0", "runs_at_once=two"])
def test_bad_settings_are_refused_by_name(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    assert ask(tmp_path, "seed=0,1", f"hydra.launcher.{setting}") == 2
    assert f"hydra.launcher.{setting.partition('=')[0]}" in capsys.readouterr().err
    assert runs_below(tmp_path) == []


def test_a_run_asked_for_twice_is_run_once(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, "seed=0,1,1") == 0
    assert [job.name for job in started.jobs] == ["s0", "s1"]
    assert "1 of 3 jobs ask for the same run as another; each is run once" in capsys.readouterr().err


def test_finished_runs_are_skipped_and_counted(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, "seed=0,1") == 0
    assert ask(tmp_path, "seed=0,1,2") == 0
    assert [job.name for job in started.jobs] == ["s0", "s1", "s2"]
    assert capsys.readouterr().out.splitlines() == ["2 runs: 2 finished", "3 runs: 1 finished, 2 finished before"]
    assert [job.directory for job in sorted(started.jobs, key=lambda job: job.name)] == runs_below(tmp_path)


def test_a_sweep_says_first_how_many_runs_are_due_and_how_long_they_take(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, "seed=0,1", "network.width=1.5") == 0
    line = "2 runs to do; how long that takes is not known yet: none like them has been measured"
    assert line in capsys.readouterr().err.splitlines()
    for directory in runs_below(tmp_path):
        finished = status.read(directory)
        assert finished is not None
        finished.rate_per_s, finished.updates, finished.device = 0.1, 5, "cpu"
        status.write(directory, finished)
    wide = ["network.width=1.5", "hydra.launcher.runs_at_once=2"]
    assert ask(tmp_path, "seed=0,1,2,3,4", "recycler=none,redo", *wide) == 0
    hours = 3 * planned(*COMMON[1:]).study.total / 0.1 / 3600
    whole, side_by_side = hours_text(hours), hours_text(hours / 2)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"8 runs to do: about {whole} in all, 2 at once, {side_by_side} or more, by the median rate "
        "of 2 runs like these (cpu); 5 of them left out, like none that was measured"
    )
    assert ask(tmp_path, "seed=0,1", "network.width=1.5") == 0
    assert capsys.readouterr().err == ""


def test_force_starts_all_anew_and_keeps_what_they_left_aside(tmp_path: Path, started: Started) -> None:
    assert ask(tmp_path, "seed=0,1") == 0
    for directory in runs_below(tmp_path):
        (directory / "metrics.csv").write_text("old")
    assert ask(tmp_path, "seed=0,1", "force=true") == 0
    assert [job.name for job in started.jobs] == ["s0", "s1"] * 2
    assert [(path.parent.name[-6:], path.read_text()) for path in tmp_path.rglob("metrics.csv")] == [
        (".old-1", "old")
    ] * 2


def test_force_leaves_a_living_run_where_it_is(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, "seed=0,1") == 0
    before = sorted(tmp_path.rglob("*"))
    lease = acquire(runs_below(tmp_path)[1], stale_seconds=1)
    assert ask(tmp_path, "seed=0,1", "force=true") == 2
    assert "force=true: " in capsys.readouterr().err
    assert [path for path in sorted(tmp_path.rglob("*")) if "lease" not in path.name] == before
    assert len(started.jobs) == 2
    lease.release()


@pytest.mark.parametrize("words", [["-m", "seed=0,1"], []], ids=["sweep", "single"])
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("root={file}/runs", "can't write there: Not a directory"),
        ("experiment=../../x", "experiment=../../x: it must be a name"),
        ("root='{folder}/a\tb'", "control characters"),
    ],
)
def test_a_place_that_cannot_be_is_refused_in_a_sentence(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str], words: list[str], place: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    word = place.format(file=tmp_path / "file", folder=tmp_path)
    root = [] if place.startswith("root") else [f"root={tmp_path / 'runs'}"]
    assert train.main([*words, *COMMON[1:], *root, word]) == 2
    assert said in capsys.readouterr().err
    assert started.jobs == []
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_no_more_runs_go_at_once_than_memory_holds(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    one = 1001 * 400  # bytes, about: observations of 10 × 10 × 4 and what goes with them
    monkeypatch.setattr(memory, "available_bytes", lambda: 3 * one)
    assert ask(tmp_path, "seed=range(3)", "hydra.launcher.runs_at_once=3") == 2
    assert "hydra.launcher.runs_at_once=3: a replay takes up to" in capsys.readouterr().err
    assert runs_below(tmp_path) == []
    assert ask(tmp_path, "seed=range(3)") == 0
    assert started.at_once == 2
    assert "2 at once: a replay takes up to" in capsys.readouterr().err


def test_a_sweep_leaves_finished_runs_and_asked_again_does_nothing(tmp_path: Path) -> None:
    words = [*COMMON, f"root={tmp_path}", "recycler=none,redo", "seed=range(2)"]

    def sweep() -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("redo-lab")), "train", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    first = sweep()
    assert (first.returncode, first.stdout) == (0, "4 runs: 4 finished\n"), first.stderr
    runs = runs_below(tmp_path)
    found = [status.read(run) for run in runs]
    assert [one.state for one in found if one] == [State.FINISHED] * 4
    ends = sorted(line.split(" finished")[0][6:] for line in first.stderr.splitlines() if line.startswith("["))
    assert ends == ["none s0", "none s1", "redo s0", "redo s1"]
    again = sweep()
    assert (again.returncode, again.stdout) == (0, "4 runs: 4 finished before\n"), again.stderr
    assert [status.read(run) for run in runs] == found


def test_a_sweep_file_is_run_and_the_command_line_wins(tmp_path: Path, started: Started) -> None:
    assert sweep.main(["demo_grid", "env=minatar/breakout", "scale=smoke", "logger=none", f"root={tmp_path}"]) == 0
    assert [job.name for job in started.jobs] == [f"{name} s{n}" for name in ("none", "redo") for n in range(5)]
    assert {path.parent.name for path in runs_below(tmp_path)} == {"demo_grid"}


def test_jobs_that_differ_in_the_seed_alone_get_the_runs_they_would_get_by_themselves(
    tmp_path: Path, started: Started
) -> None:
    assert ask(tmp_path, "seed=0,3", "recycler=none,redo", "replay_ratio=0.25,1") == 0
    for directory in runs_below(tmp_path):
        axes = json.loads((directory / "run.json").read_text())["axes"]
        words = [f"seed={axes['seed']}", f"recycler={axes['recycler']}", f"replay_ratio={axes['replay_ratio']}"]
        alone = planned(*[word for word in COMMON[1:] if "replay_ratio" not in word], f"root={tmp_path}", *words)
        assert OmegaConf.to_container(OmegaConf.load(directory / "config.yaml")) == alone.plain
        assert json.loads((directory / "run.json").read_text()) == alone.run
        assert directory == alone.directory
    assert len(runs_below(tmp_path)) == 8


def test_one_sweep_holds_a_baseline_and_variants_of_a_method(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path, "recycler=none,redo", "recyclers.redo.threshold=0.1,0.2") == 0
    assert [job.name for job in started.jobs] == ["none", "redo threshold=0.1", "redo threshold=0.2"]
    root = f"root={tmp_path}"
    alone = [["recycler=none"], *(["recycler=redo", f"recyclers.redo.threshold={tau}"] for tau in (0.1, 0.2))]
    assert [job.directory for job in started.jobs] == [planned(*COMMON[1:], root, *one).directory for one in alone]
    assert "recyclers.redo.threshold is set in 2 of 3 jobs: the others have no such key" in capsys.readouterr().err


def test_a_sweep_file_holds_a_baseline_and_variants_of_a_method(tmp_path: Path, started: Started) -> None:
    grid = {"regulariser": ["none", "l2_init"], "regularisers.l2_init.coefficient": [0.1, 0.01]}
    (tmp_path / "mine.yaml").write_text(json.dumps({"grid": grid}))
    assert sweep.main([str(tmp_path / "mine.yaml"), *COMMON[1:], f"root={tmp_path}"]) == 0
    assert [job.name for job in started.jobs] == ["none", "l2_init coefficient=0.1", "l2_init coefficient=0.01"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("recyclers.redo.treshold=0.1,0.2", "did you mean 'recyclers.redo.threshold'?"),
        ("recyclers.reset.layers=last", "'recyclers.reset' is not part of this run: give recycler=reset too"),
    ],
)
def test_a_key_that_no_job_of_a_sweep_has_is_a_mistake(
    tmp_path: Path, started: Started, capsys: pytest.CaptureFixture[str], word: str, reason: str
) -> None:
    assert ask(tmp_path, "recycler=none,redo", word) == 2
    assert reason in capsys.readouterr().err
    assert started.jobs == []
