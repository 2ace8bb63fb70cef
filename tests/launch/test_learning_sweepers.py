"""A sweeper that chooses its next runs by the last ones, Optuna's here, is told the objective of each run."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from redo_lab.commands.train import main
from redo_lab.launch import local
from redo_lab.launch.board import Board, Ended, Job
from redo_lab.runs import status
from redo_lab.runs.status import State

pytestmark = pytest.mark.filterwarnings("ignore")
"""Optuna 2.10 is of 2022 and uses what libraries have since called old."""
DOCS = Path(__file__).parent.parent.parent / "docs"
BEST = 1e-3
OPTUNA = [
    "-m",
    "hydra/sweeper=optuna",
    "hydra.sweeper.sampler.seed=0",
    "hydra.sweeper.n_trials=6",
    "hydra.sweeper.n_jobs=3",
]
RUNS = ["study=supervised", "scale=smoke", "logger=none"]
SPACE = ["learner.learning_rate=tag(log,interval(1e-5,1e-1))"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Stands for the pool: accuracy is the better the nearer the learning rate is to BEST, the loss the other way."""
    directories: list[Path] = []

    def run(pool: local.Pool, jobs: Sequence[Job], finished_before: int = 0) -> Board:
        board = Board(pool.config.at_once(), finished_before)
        for job in jobs:
            local.write_pending(job)
            _measure(job.directory)
            ended = status.read(job.directory)
            assert ended is not None
            ended.state = State.FINISHED
            status.write(job.directory, ended)
            board.ended.append(Ended(job, ended, 1.0))
            directories.append(job.directory)
        return board

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(local.Pool, "run", run)
    return directories


def _measure(directory: Path) -> None:
    distance = _distance(directory)
    scored_by = json.loads((directory / "run.json").read_text(encoding="utf-8"))["scored_by"]
    rows = [(0, scored_by, 100.0), (1, scored_by, 90 - 10 * distance), (1, "train/loss", distance)]
    lines = [f"{at},{at},{name},{value}\n" for at, name, value in rows]
    (directory / "metrics.csv").write_text("env_steps,updates,name,value\n" + "".join(lines), encoding="utf-8")


def _distance(directory: Path) -> float:
    learning_rate: float = OmegaConf.load(directory / "config.yaml").learner.learning_rate
    return abs(math.log10(learning_rate / BEST))


def best(folder: Path) -> DictConfig:
    (path,) = folder.rglob("optimization_results.yaml")
    loaded = OmegaConf.load(path)
    assert isinstance(loaded, DictConfig)
    return loaded


def test_optuna_looks_for_the_best_final_score(trained: list[Path], tmp_path: Path) -> None:
    words = [*OPTUNA, *RUNS, "hydra.sweeper.direction=maximize", "hydra.sweep.dir=results", *SPACE]
    assert main(words) == 0
    assert len(set(trained)) == 6
    distances = [_distance(directory) for directory in trained]
    results = best(tmp_path)
    assert results.best_value == pytest.approx(90 - 10 * min(distances))
    assert abs(math.log10(results.best_params["learner.learning_rate"] / BEST)) == pytest.approx(min(distances))
    assert main(words) == 0
    assert best(tmp_path) == results
    assert len(trained) == 6, "asked again, the same trials are finished already"


def test_a_search_among_parts_sets_a_part_only_where_a_trial_has_it(trained: list[Path]) -> None:
    learning_rates = "learner.learning_rate=tag(log,interval(1e-5,1e-1))"
    for threshold in ("0.3", "interval(0.2,0.4)"):
        words = [*OPTUNA, *RUNS, "recycler=none,redo", f"recyclers.redo.threshold={threshold}", learning_rates]
        assert main([*words, "hydra.sweeper.direction=maximize"]) == 0
        configs = [OmegaConf.load(directory / "config.yaml") for directory in trained]
        thresholds = [config.recyclers.redo.threshold for config in configs if config.recyclers]
        assert len(configs) == 6
        assert 0 < len(thresholds) < 6
        assert all(0.2 <= value <= 0.4 for value in thresholds)
        trained.clear()


def test_the_objective_may_be_any_metric_and_finished_runs_are_not_done_again(
    trained: list[Path], tmp_path: Path
) -> None:
    words = [*RUNS, "learner.learning_rate=0.01,0.001", "hydra.sweeper.n_trials=4", "hydra.sweeper.sampler.seed=1"]
    for launcher in ("local", "basic"):
        where = [f"hydra.sweep.dir={launcher}", f"hydra/launcher={launcher}"]
        assert main(["-m", "hydra/sweeper=optuna", *words, "objective=train/loss", *where]) == 0
        assert best(tmp_path / launcher).best_params == {"learner.learning_rate": 0.001}
        assert best(tmp_path / launcher).best_value == pytest.approx(0)
        assert len(trained) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [],
            "hydra.sweeper.direction=minimize would look for the worst accuracy: give hydra.sweeper.direction=maximize",
        ),
        (["hydra.sweeper.direction=[maximize,minimize]"], "a run has one objective"),
        (["hydra/launcher=slurm"], "hydra/launcher=slurm returns before they end: give hydra/launcher=local"),
        (["learner.learning_rat=1"], "unknown key 'learner.learning_rat': did you mean 'learner.learning_rate'?"),
        (["objective=3"], "objective must be score or the name of a metric, got 3"),
    ],
)
def test_what_cannot_work_is_refused_before_any_run(
    trained: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main([*OPTUNA, *RUNS, *SPACE, *words]) == 2
    assert message in capsys.readouterr().err
    assert not trained
    assert list(tmp_path.iterdir()) == []


def test_a_metric_that_no_run_has_is_refused_by_name(trained: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*OPTUNA, *RUNS, *SPACE, "objective=train/los"]) == 2
    assert "has no such metric: did you mean 'train/loss'?" in capsys.readouterr().err
    assert len(trained) == 3, "it is known when the first ones at once have ended"


def test_a_dry_run_describes_the_first_trials_and_writes_nothing(
    trained: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*OPTUNA, *RUNS, *SPACE, "hydra.sweeper.direction=maximize", "dry_run=true"]) == 0
    assert "nothing was written and nothing was started" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert not trained


def test_the_command_of_the_docs_is_accepted(trained: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    lines = (DOCS / "tuning.md").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    (command,) = (line for line in lines if line.startswith("redo-lab train -m"))
    assert main([*shlex.split(command)[2:], "scale=smoke", "dry_run=true"]) == 0
    assert capsys.readouterr().out.startswith("4 runs: 4 new")
