"""Learning from a recorded replay: Fig. 4's numbers, what the targets are, parts in turn, and exact resume."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from redo_lab.commands.sweep import SWEEPS
from redo_lab.commands.train import main
from redo_lab.config import ConfigError
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.plan import CheckedRun, plan
from redo_lab.replay import export
from redo_lab.replay.ring import Replay
from redo_lab.seeding import Seeds
from redo_lab.state_bytes import decode, encode
from redo_lab.studies.fixed_memory import FixedMemory
from redo_lab.studies.updates import Updates
from redo_lab.types import Discrete, EnvSpec
from tests.attempt.test_resume import Died, dying_at, final_state, same
from tests.helpers.composing import composed, planned
from tests.helpers.journals import Noted
from tests.helpers.methods import REGULARISERS, WITH_CLASS
from tests.helpers.replays import make

CPU = torch.device("cpu")
BREAKOUT = EnvSpec((4, 10, 10), 1, np.uint8, Discrete(3), 1)
WORDS = ["study=offline", "env=minatar/breakout", "scale=smoke", "network.width=0.25", "training.updates=12"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of a game."""
    folder = tmp_path_factory.mktemp("data")
    logs = folder / "breakout" / "1" / "replay_logs"
    for number, episodes in enumerate((40, 30)):
        export.write(noise(episodes), logs if number == 0 else logs.with_name("more"), number)
    for path in logs.with_name("more").iterdir():
        path.rename(logs / path.name)
    return folder


def noise(episodes: int) -> Replay:
    """A replay of random frames, in episodes of 8 steps of which every other one is truncated."""
    replay, draws = make(BREAKOUT, 500), np.random.default_rng(episodes)
    for episode in range(episodes):
        frames = draws.integers(2, size=(9, 4, 10, 10)).astype(np.uint8)
        replay.start(frames[0])
        for step, frame in enumerate(frames[1:]):
            last = step == 7
            replay.append(
                int(draws.integers(3)),
                float(draws.integers(2)),
                frame,
                last and episode % 2 == 0,
                last and episode % 2 == 1,
            )
    return replay


Start = Callable[..., tuple[Updates, Noted]]


@pytest.fixture
def start(data: Path) -> Start:
    def started(*words: str) -> tuple[Updates, Noted]:
        journal = Noted()
        blueprint = CheckedRun.of(composed(*WORDS, f"data.folder={data}", "probe=none", *words)[0]).study
        study = blueprint.start(Seeds(0), CPU, journal)
        assert isinstance(study, Updates)
        return study, journal

    return started


def run(study: Updates) -> None:
    for _ in study.steps():
        pass


def memory_of(study: Updates) -> FixedMemory:
    memory = study.loading.__self__  # type: ignore[attr-defined]
    assert isinstance(memory, FixedMemory)
    return memory


def test_the_whole_config_is_figure_4_s() -> None:
    plain = composed("study=offline")[0]
    assert plain["training"]["updates"] == 6_250_000
    assert (plain["agent"]["batch_size"], plain["agent"]["learning_rate"], plain["agent"]["loss"]) == (
        *(32, 6.25e-5),
        "huber",
    )
    assert plain["agent"]["target_period_env_steps"] * plain["training"]["replay_ratio"] == 2000
    assert plain["data"]["part_updates"] == 62_500
    assert plain["replay"]["capacity"] == 1_000_000
    assert plain["targets"] == {"kind": "moving", "random_std": None}
    assert composed("study=offline", "targets=random")[0]["targets"] == {"kind": "random", "random_std": 1.0}


def test_the_run_has_its_own_axes_and_a_path_does_not_change_it(data: Path) -> None:
    words = [*WORDS, f"data.folder={data}", "targets=random", "recycler=redo", "seed=3"]
    run = planned(*words).run
    assert run["run_id"].startswith("dqn-breakout-random-redo-s3-")
    assert run["axes"] == {
        **{"agent": "dqn", "network": "minatar", "suite": "minatar", "game": "breakout", "data": "dqn_replay"},
        **{"targets": "random", "recycler": "redo", "regulariser": "none", "scale": "smoke", "seed": 3},
    }
    assert (run["total"], run["unit"], run["scored_by"]) == (12, "updates", "dormant/total_tau0")
    assert planned(*words, f"data.folder={data / '..' / data.name}").run["run_id"] == run["run_id"]


def test_without_a_length_it_is_that_of_online_training() -> None:
    plain = composed("study=offline", "training.updates=null", "replay_ratio=1", "recycler=random")[0]
    assert plain["recyclers"]["random"]["end_updates"] == 2_500_000
    assert CheckedRun.of(plain).study.total == 2_500_000


def test_only_what_the_run_takes_no_notice_of_may_not_be_set() -> None:
    words = ["study=offline", "training.updates=null", "training.iterations=3", "agent.optimizer.epsilon=1e-8"]
    assert plan(*composed(*words), words, here=False).study.total == 187_500
    for idle in ("agent.epsilon.final=0.1", "agent.act_ahead=false", "shared.epsilon_decay_env_steps=9"):
        with pytest.raises(ConfigError, match=f"{idle} would change nothing"):
            plan(*composed(*words, idle), [*words, idle], here=False)


def test_the_sweep_is_figure_4() -> None:
    jobs = SweepFile.read(SWEEPS / "fig4.yaml").jobs([], lambda word: [word])
    assert {word for job in jobs for word in job} >= {"study=offline", "targets=moving", "targets=random"}
    assert len(jobs) == 4


def test_a_random_target_belongs_to_its_transition_and_is_all_it_is_trained_towards(start: Start) -> None:
    study, _ = start("targets=random", "data.checkpoints=[0]")
    run(study)
    memory = memory_of(study)
    replay = memory.replay
    assert replay is not None
    starts = replay.draw(64, np.random.default_rng(5))
    one, other = (memory.draw(64, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one.reward, other.reward)
    by_start = dict(zip(starts.tolist(), one.reward.tolist(), strict=True))
    assert [by_start[at] for at in starts.tolist()] == one.reward.tolist()
    assert len(set(by_start.values())) == len(by_start) > 30
    assert torch.equal(one.obs, replay.transitions(starts).obs)
    (_, target) = study.learner.q_and_target(one)["q"]  # type: ignore[attr-defined]
    assert torch.equal(target, one.reward)


def test_random_targets_are_normal_with_the_given_deviation_and_the_run_s_seed_s_own(start: Start) -> None:
    study, _ = start("targets=random", "targets.random_std=3", "training.updates=1", "data.checkpoints=[0]")
    run(study)
    targets = memory_of(study).targets
    assert targets is not None
    assert float(targets.std()) == pytest.approx(3, rel=0.2)
    assert np.allclose(targets, 3 * Seeds(0).numpy("targets.0").standard_normal(len(targets), np.float32))


@pytest.mark.parametrize(("targets", "copies"), [("moving", 6), ("frozen", 0), ("random", 0)])
def test_only_moving_targets_follow_the_network_every_so_many_updates(
    targets: str, copies: int, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = start(f"targets={targets}", "agent.target_period_env_steps=8")
    counted: list[int] = []
    copy = torch._foreach_copy_
    monkeypatch.setattr(torch, "_foreach_copy_", lambda *both: (counted.append(study.counters.updates), copy(*both)))
    run(study)
    assert counted == ([2, 4, 6, 8, 10, 12] if copies else [])


def test_parts_are_learned_from_in_turn_each_once_a_lap(start: Start) -> None:
    study, _ = start("data.part_updates=3")
    memory, parts = memory_of(study), []
    for _ in study.steps():
        if study.counters.updates > len(parts):
            assert memory.part is not None
            parts.append(memory.part)
    assert sorted(parts[:6]) == sorted(parts[6:]) == [0, 0, 0, 1, 1, 1]
    assert all(len(set(parts[at : at + 3])) == 1 for at in range(0, 12, 3))
    assert parts == [memory.part_at(updates) for updates in range(12)]


@pytest.mark.parametrize("stop", [1, 4, 9])
@pytest.mark.parametrize("targets", ["moving", "random"])
def test_a_run_continued_from_any_yield_is_the_uninterrupted_one(targets: str, stop: int, start: Start) -> None:
    words = [f"targets={targets}", "recycler=redo", "regulariser=l2_init", "probe=[dormancy,norms,churn]"]
    words += ["data.part_updates=4", "agent.target_period_env_steps=8"]
    whole, journal = start(*words)
    run(whole)
    first, before = start(*words)
    for _ in itertools.islice(first.steps(), stop):
        pass
    state = decode(encode(first.state_dict()), CPU)
    second, after = start(*words)
    second.load_state_dict(state)
    run(second)
    assert before.entries + after.entries == journal.entries
    assert same(second.state_dict(), whole.state_dict())


def train(root: Path, data: Path, *words: str) -> Path:
    assert main([*WORDS, f"data.folder={data}", "logger=none", "threads=1", f"root={root}", *words]) == 0
    (directory,) = (path.parent for path in root.rglob("run.json"))
    return directory


def test_a_run_that_died_and_was_asked_for_again_equals_one_that_never_did(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["targets=random", "data.part_updates=4", "recycler=redo", "checkpoint.every_seconds=1e-9", "seed=2"]
    whole = train(tmp_path / "whole", data, *words)
    with dying_at(9, monkeypatch), pytest.raises(Died):
        train(tmp_path / "mended", data, *words)
    for writer in threading.enumerate():
        if writer.name == "checkpoint":
            writer.join()
    mended = train(tmp_path / "mended", data, *words)
    assert "continuing at" in (mended / "log.txt").read_text()
    assert (mended / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert same(final_state(mended), final_state(whole))


@pytest.mark.parametrize("method", [*WITH_CLASS, *REGULARISERS])
def test_every_method_runs_and_acts(method: str, start: Start) -> None:
    group = "regulariser" if method in REGULARISERS else "recycler"
    words = [f"{group}={method}", "network.norm=layer", "training.updates=40"]
    words += {
        "continual_backprop": [
            f"recyclers.continual_backprop.{s}" for s in ("replacement_rate=0.1", "maturity_updates=2")
        ],
        "reset": ["recyclers.reset.period_updates=20"],
        "reset_all": ["recyclers.reset_all.period_env_steps=20"],
    }.get(method, [])
    study, journal = start(*words)
    run(study)
    assert np.isfinite(list(journal.latest.values())).all()
    acted = {name for _, _, name in journal.entries if name.startswith(f"{method}/")}
    assert acted or method == "weight_decay"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["study=offline", "targets=shuffled"], "study=offline has no targets.shuffle_every_epochs, but kind"),
        (["study=supervised", "targets=random"], "study=supervised has no targets.kind, but shuffle_every_epochs"),
        (["study=offline", "data=digits"], "data: Digits is no Recording"),
        (["study=supervised", "data=dqn_replay"], "study=supervised takes labelled images"),
        (["study=offline", "targets.random_std=1"], "targets: random_std=1.0, but these targets are moving"),
        (["study=offline", "targets=random", "targets.random_std=0"], "targets.random_std must be > 0, got 0.0"),
        (["study=offline", "training.updates=0"], "training.updates must be ≥ 1 or null, got 0"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        CheckedRun.of(composed(*words)[0])


def test_a_recording_that_is_not_here_is_refused_before_the_run_begins(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, f"data.folder={tmp_path / 'nowhere'}", f"root={tmp_path}", "logger=none"]) == 2
    assert "nowhere is no folder" in capfd.readouterr().err
    assert not list(tmp_path.rglob("run.json"))
