"""A run that died anywhere and was asked for again equals one that never died: metrics, weights, everything."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from redo_lab.attempt import session
from redo_lab.attempt.reporter import Reporter
from redo_lab.commands.train import main
from redo_lab.runs import provenance, status
from redo_lab.runs.final_metrics import final_metrics_problem
from redo_lab.runs.status import State
from redo_lab.state_bytes import decode
from redo_lab.types import Counters

COMMON = ["scale=smoke", "training.iterations=2", "logger=none", "threads=1", "checkpoint.every_seconds=0.05"]
PROBES = "probe=[dormancy,overlap,norms,churn,values,rank]"
RUNS = {
    "dqn minatar redo": ["env=minatar/breakout", "replay_ratio=1", "recycler=redo"],
    "dqn minatar continual_backprop": ["env=minatar/seaquest", "replay_ratio=0.5", "recycler=continual_backprop"],
    "dqn minatar prune": ["env=minatar/asterix", "replay_ratio=1", "recycler=prune", "recyclers.prune.threshold=0.3"],
    "dqn minatar redo l2_init norm": [
        "env=minatar/freeway",
        "replay_ratio=0.5",
        "recycler=redo",
        "regulariser=[l2_init,weight_decay]",
        "network.norm=layer",
    ],
}
SLOW_RUNS = {
    "dqn atari redo": ["env=atari/seaquest", "replay_ratio=0.5", "recycler=redo", "network.width=0.25"],
    "drq_eps atari random": ["env=atari_100k/pong", "agent=drq_eps", "recycler=random", "network.width=0.25"],
    "sac redo": ["env=mujoco/hopper", "agent=sac", "recycler=redo", "network.width=0.25"],
    "sac reset_all": ["env=mujoco/ant", "agent=sac", "recycler=reset_all", "network.width=0.25"],
}


class Died(BaseException):
    """What SIGKILL does, near enough: nobody cleans up, and nothing more is written."""


@contextmanager
def dying_at(tick: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process dies at its `tick`-th tick, of training or of evaluation."""
    left = [tick]
    original = Reporter.tick

    def counted(self: Reporter, counters: Counters) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Died
        original(self, counters)

    with monkeypatch.context() as patch:
        patch.setattr(session.Reporter, "tick", counted)
        yield


def train(root: Path, words: list[str]) -> Path:
    assert main([*words, *COMMON, PROBES, f"root={root}"]) == 0
    (directory,) = (path.parent for path in root.rglob("run.json"))
    return directory


def final_state(directory: Path) -> dict[str, Any]:
    folder = directory / "checkpoint"
    newest = max(folder.glob("*.json"), key=lambda path: int(path.stem))
    name = json.loads(newest.read_text())["state"]["name"]
    state = decode((folder / name).read_bytes(), torch.device("cpu"))
    assert isinstance(state, dict)
    return state


def same(one: Any, other: Any) -> bool:
    """Bit for bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


def check(words: list[str], deaths: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tmp_path / "whole", words)
    chance = random.Random(" ".join(words))
    for _ in range(deaths):
        with dying_at(chance.randint(1, 250), monkeypatch), pytest.raises(Died):
            train(tmp_path / "mended", words)
    mended = train(tmp_path / "mended", words)
    assert (mended / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert same(final_state(mended), final_state(whole))


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_died_several_times_equals_one_that_never_did(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(RUNS[name], 2, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_RUNS)
def test_so_does_one_on_atari_and_mujoco(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(SLOW_RUNS[name], 2, tmp_path, monkeypatch)


def test_a_resume_keeps_what_the_run_began_with_and_says_what_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*RUNS["dqn minatar redo"], *COMMON, f"root={tmp_path}", "checkpoint.every_seconds=1e-9"]
    with dying_at(150, monkeypatch), pytest.raises(Died):
        main(words)
    for writer in threading.enumerate():
        if writer.name == "checkpoint":
            writer.join()
    (directory,) = (path.parent for path in tmp_path.rglob("run.json"))
    before = {name: (directory / name).read_bytes() for name in ("config.yaml", "run.json")}
    assert main([*words, "checkpoint.keep=1"]) == 0
    assert {name: (directory / name).read_bytes() for name in before} == before
    first, second = provenance.attempts(directory)
    assert (first.attempt, first.from_step, first.changed) == (1, 0, {})
    assert (second.attempt, second.changed) == (2, {"checkpoint.keep": 1})
    assert 0 < second.from_step <= 150
    assert len(list((directory / "checkpoint").glob("*.json"))) == 1
    assert final_metrics_problem(directory) is None


def test_force_starts_anew_and_keeps_the_old_run_aside(tmp_path: Path) -> None:
    directory = train(tmp_path, RUNS["dqn minatar redo"])
    old = (directory / "metrics.csv").read_bytes()
    assert main([*RUNS["dqn minatar redo"], *COMMON, PROBES, f"root={tmp_path}", "force=true"]) == 0
    aside = directory.with_name(f"{directory.name}.old-1")
    assert (aside / "metrics.csv").read_bytes() == old == (directory / "metrics.csv").read_bytes()


def test_a_run_that_another_process_works_on_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = train(tmp_path, RUNS["dqn minatar redo"])
    found = status.read(directory)
    assert found is not None
    found.state = State.RUNNING
    status.write(directory, found)
    lease = max(directory.glob("lease.*.json"))
    owner = json.loads(lease.read_text())
    lease.write_text(json.dumps(owner | {"pid": os.getpid(), "released": False}))
    assert main([*RUNS["dqn minatar redo"], *COMMON, PROBES, f"root={tmp_path}"]) == 2
    assert "is in use by" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_ends_the_run_as_failed_and_keeps_the_state(tmp_path: Path) -> None:
    words = ["env=minatar/breakout", "replay_ratio=1", "agent.learning_rate=1e30", *COMMON, f"root={tmp_path}"]
    assert main(words) == 1
    (directory,) = (path.parent for path in tmp_path.rglob("run.json"))
    found = status.read(directory)
    assert found is not None
    assert found.state is State.FAILED
    assert "is not finite at update" in (found.error or "")
    assert "nan" not in (directory / "metrics.csv").read_text()
    assert list((directory / "debug").glob("*.state"))


def test_a_death_between_the_last_checkpoint_and_the_last_status_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = RUNS["dqn minatar redo"]
    whole = train(tmp_path / "whole", words)

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(session.Reporter, "end", die)
        with pytest.raises(Died):
            train(tmp_path / "mended", words)
    mended = train(tmp_path / "mended", words)
    assert "not exactly" not in (mended / "log.txt").read_text()
    assert (mended / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert same(final_state(mended), final_state(whole))
