"""`dry_run=true`: what is said of runs before they start, by every launcher, and that nothing else happens."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from redo_lab.commands import sweep, train
from redo_lab.launch import local, rates, site
from redo_lab.launch.estimate import hours_text
from redo_lab.replay import memory
from redo_lab.runs import status
from redo_lab.runs.status import State
from tests.helpers.composing import planned

COMMON = ["env=minatar/breakout", "scale=smoke", "replay_ratio=1", "logger=none"]
UNMEASURED_WIDTH = 1.5
"""rates.json has no rate for it."""
LAUNCHERS = ["local", "slurm", "basic"]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool or an attempt that started anything would fail the test."""
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(local.Pool, "run", None)
    monkeypatch.setattr("redo_lab.attempt.execute.execute", None)
    monkeypatch.setattr(site, "max_array_jobs", lambda: 1000)


def begun(state: State, done: int, rate_per_s: float, *words: str, device: str = "cpu") -> Path:
    """A run on disk that was left after `done` agent steps."""
    plan = planned(*COMMON, *words)
    plan.write()
    at = status.blank(plan.study.total, plan.study.unit)
    at.state, at.done, at.rate_per_s, at.updates, at.device = state, done, rate_per_s, 5, device
    status.write(plan.directory, at)
    return plan.directory


def files(root: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))


def asked(*words: str) -> int:
    """The exit code of `redo-lab train`, -m first."""
    return train.main(sorted([*COMMON, *words], key=lambda word: word != "-m"))


def described(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> str:
    before = files(root)
    assert asked(f"root={root}", *words, "dry_run=true") == 0
    assert files(root) == before
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "dry run: nothing was written and nothing was started"
    return captured.out


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_says_how_many_runs_how_long_and_how_many_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "runs"
    begun(State.FINISHED, 600, 0.5, f"root={root}", "seed=0")
    begun(State.INTERRUPTED, 240, 0.1, f"root={root}", "seed=1")
    begun(State.INTERRUPTED, 0, 0.1, f"root={root}", "seed=9")
    plan = planned(*COMMON)
    total, warmup = plan.study.total, plan.plain["agent"]["warmup_env_steps"]
    text = described(capsys, tmp_path, "-m", f"root={root}", f"hydra/launcher={launcher}", "seed=range(4)")
    assert "4 runs: 1 finished, 1 to continue, 2 new\n" in text
    steps, updates = 4 * total, 4 * (total - warmup)
    assert f"length: {steps:,} agent steps, {updates:,} gradient steps; a run on average {total:,} agent" in text
    hours = (3 * total - 240) / 0.1 / 3600
    assert f"time: about {hours_text(hours)} for what is left, {hours_text(hours / 3)} a run" in text
    assert "by the median rate of 3 runs like these (cpu)" in text


def test_runs_unlike_any_measured_one_are_named_and_the_way_to_measure_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unlike = f"network.width={UNMEASURED_WIDTH}"
    begun(State.FINISHED, 600, 0.5, f"root={tmp_path}", "seed=0", unlike)
    text = described(capsys, tmp_path, "-m", "recycler=none,redo,reset", "seed=3", unlike)
    assert "time: about " in text
    assert "for 1 of 3 runs, by the median rate of a run like these (cpu)" in text
    assert f"time of the other 2 not known: no run like these has been measured below {tmp_path}" in text
    words = f"  redo-lab train env=minatar/breakout scale=smoke replay_ratio=1 logger=none root={tmp_path}"
    assert f"{words} recycler=redo seed=3 {unlike}\n" in text


def test_without_measured_runs_the_hours_are_those_of_rates_that_come_with_us(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(*COMMON)
    work = rates.Work("online dqn minatar minatar", plan.study.total + 600, 440)
    assert (plan.study.total, plan.study.planned_updates(plan.plain)) == (600, 440)
    seconds = rates.seconds_of(work)
    assert seconds is not None
    assert seconds > rates.START_SECONDS
    text = described(capsys, tmp_path, "-m", "recycler=none,redo")
    assert f"time: about {round(2 * seconds)} s for what is left, {round(seconds)} s a run, by the rates of one" in text
    assert "core, without probes: none like these has been measured here" in text
    begun(State.FINISHED, 600, 0.5, f"root={tmp_path}", "seed=0")
    assert "(cpu); for 1 of them by the rates of one" in described(
        capsys, tmp_path, "-m", "recycler=none,redo", "seed=1"
    )


@pytest.mark.parametrize("words", [["agent=sac", "env=mujoco/hopper"], ["agent=drq_eps", "env=atari_100k/breakout"]])
def test_evaluations_of_whole_games_are_not_in_the_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert train.main([*words, "scale=smoke", "logger=none", f"root={tmp_path}", "dry_run=true"]) == 0
    plan = planned(*words, "scale=smoke", "logger=none")
    kind = f"online {plan.run['axes']['agent']} {plan.run['axes']['network']} {plan.run['axes']['suite']}"
    seconds = rates.seconds_of(rates.Work(kind, plan.study.total, plan.study.planned_updates(plan.plain)))
    assert seconds is not None
    assert f"time: about {round(seconds)} s for what is left" in capsys.readouterr().out


def test_a_run_that_has_made_no_update_yet_measures_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unlike = f"network.width={UNMEASURED_WIDTH}"
    directory = begun(State.RUNNING, 5, 900.0, f"root={tmp_path}", "seed=0", unlike)
    at = status.read(directory)
    assert at is not None
    at.updates = 0
    status.write(directory, at)
    assert "time not known: no run like these has been measured" in described(
        capsys, tmp_path, "-m", "seed=0,1", unlike
    )


def test_a_single_run_is_described_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(State.INTERRUPTED, 300, 0.1, f"root={tmp_path}")
    text = described(capsys, tmp_path)
    left = planned(*COMMON).study.total - 300
    assert text.startswith("1 run: 1 to continue\nlength: ")
    assert (
        f"time: about {hours_text(left / 0.1 / 3600)} for what is left, by the median rate of a run like these" in text
    )


def test_forced_runs_count_from_their_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(State.FINISHED, 600, 0.1, f"root={tmp_path}")
    total = planned(*COMMON).study.total
    text = described(capsys, tmp_path, "force=true")
    assert "1 run: 1 new\n" in text
    assert f"time: about {hours_text(total / 0.1 / 3600)} for what is left" in text


def test_a_study_that_counts_epochs_says_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["study=supervised", "training.epochs=3", f"root={tmp_path}", "dry_run=true"]) == 0
    assert "\nlength: 3 epochs, 18 gradient steps\n" in capsys.readouterr().out


def test_what_this_machine_lacks_is_said_and_the_rest_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    for words in ([], ["-m", "seed=0,1"]):
        text = described(capsys, tmp_path, *words)
        assert text.startswith("this machine can't run ")
        assert "a replay of " in text
        assert "memory: up to " in text


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_job_that_cannot_work_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["-m", f"hydra/launcher={launcher}", "agent.learning_rate=1e-3,-1", "dry_run=true"]
    assert asked(*words) == 2
    assert "agent.learning_rate must be > 0, got -1.0 (in agent.learning_rate=-1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_gives_a_key_to_the_jobs_that_have_its_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["-m", f"hydra/launcher={launcher}", "recycler=none,redo", "recyclers.redo.threshold=0.1,0.2"]
    assert "3 runs: 3 new\n" in described(capsys, tmp_path, *words)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["dry_run=maybe"], "dry_run must be true or false, got maybe"),
        (["-m", "dry_run=true,false"], "dry_run must be the same for all jobs of a sweep"),
    ],
)
def test_a_dry_run_is_asked_for_or_not(capsys: pytest.CaptureFixture[str], words: list[str], reason: str) -> None:
    assert asked(*words) == 2
    assert reason in capsys.readouterr().err


def test_slurm_tells_jobs_and_hours_of_gpus_by_the_rate_of_a_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(State.INTERRUPTED, 0, 0.01, f"root={tmp_path}", "seed=9")
    words = ["-m", "hydra/launcher=slurm", "hydra.launcher.runs_per_gpu=2", "seed=range(5)"]
    text = described(capsys, tmp_path, *words)
    hours = 5 * planned(*COMMON).study.total / 0.01 / 3600 / 2
    assert "5 runs in 3 jobs, 1 array\n" in text
    assert "#SBATCH --gpus-per-node=1\n" in text
    assert f"time in 3 jobs: {hours:.0f} GPU-hours at a CPU's rate, less on a GPU\n" in text


def test_slurm_submits_the_runs_of_each_experiment_by_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-m", "hydra/launcher=slurm", "experiment=one,two", "seed=range(3)", "hydra.launcher.runs_per_gpu=2"]
    text = described(capsys, tmp_path, *words)
    assert "6 runs in 4 jobs, 2 arrays\n" in text
    assert [text.count(f"/{name}/sweeps/") > 0 for name in ("one", "two")] == [True, True]
    assert [f"#SBATCH --job-name={name}\n" in text for name in ("one", "two")] == [True, True]


def test_hours_measured_on_a_gpu_are_gpu_hours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(State.INTERRUPTED, 0, 0.01, f"root={tmp_path}", "seed=9", device="cuda")
    text = described(capsys, tmp_path, "-m", "hydra/launcher=slurm", "seed=0,1")
    assert "by the median rate of a run like these (cuda)" in text
    assert text.count("GPU-hours\n") == 1


def test_a_sweep_file_is_described_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(["demo_grid", *COMMON, f"root={tmp_path}", "dry_run=true"]) == 0
    assert capsys.readouterr().out.startswith("10 runs: 10 new\n")
    assert list(tmp_path.iterdir()) == []


def test_the_config_of_a_run_knows_no_dry_run(tmp_path: Path) -> None:
    plan = planned(*COMMON, f"root={tmp_path}", "dry_run=true")
    assert plan.dry_run
    assert "dry_run" not in plan.plain
    assert "dry_run" not in json.dumps(plan.run)
