"""The examples in docs/ work, and what README and docs name exists."""

from __future__ import annotations

import re
import sys
import threading
import types
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from omegaconf import OmegaConf

from redo_lab import load_run
from redo_lab.cli import main
from redo_lab.config import build, parse, target_of
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.neurons.hooks import Hooks
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.types import Counters
from tests.attempt.test_resume import COMMON, PROBES, Died, dying_at, final_state, same, train
from tests.docs.pages import PAGES, ROOT, example, section
from tests.helpers.agents import batches, tiny
from tests.helpers.networks import q_network
from tests.helpers.studies import make_run

FIGURE_PRELUDE = """
from __future__ import annotations
from dataclasses import dataclass
import matplotlib as mpl, polars as pl
from redo_lab.analysis.figures.base import Drawing, Source, Width, canvas
from redo_lab.analysis.looks import STYLE, looks
"""


@pytest.mark.usefixtures("_modules", "_conf")
def test_the_parts_of_the_docs_train_together_are_killed_resume_and_end_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["env=chain", "recycler=[redo,weakest]", "regulariser=parseval", "replay_ratio=0.5"]
    whole = train(tmp_path / "whole", words)
    for tick in (250, 200):
        with dying_at(tick, monkeypatch), pytest.raises(Died):
            main(["train", *words, *COMMON, PROBES, f"root={tmp_path / 'mended'}", "checkpoint.every_seconds=1e-9"])
        for writer in threading.enumerate():
            if writer.name == "checkpoint":
                writer.join()
    mended = train(tmp_path / "mended", words)
    assert (mended / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert same(final_state(mended), final_state(whole))
    assert "continuing at" in (mended / "log.txt").read_text()

    run = load_run(whole)
    evaluations = run.metrics([EVALUATION_RETURN])
    assert evaluations["env_steps"].to_list() == [200, 400]
    assert run.metrics(["evaluation/length_mean"])["value"].is_between(9, 100).all()
    assert run.metrics(["parseval/penalty"])["value"].is_between(0, 100, closed="none").all()
    own = "redo_lab.recyclers.weakest.Weakest"
    assert run.config["recyclers"]["weakest"]["_target_"] == own
    assert set(final_state(whole)["aftercare"]["recyclers"][1]) == {"generator"}

    names: dict[str, Any] = {"torch": torch, "nn": torch.nn, "directory": whole}
    exec(example("As a library", "python"), names)
    assert names["run"].state == "finished"
    assert names["trained"].env_steps == 400
    assert names["batch"].shape == (1, 10)


def test_every_script_and_class_that_the_docs_name_in_examples_exists() -> None:
    scripts = re.findall(r"`(\w+\.py)`", section("Scripts to begin with"))
    assert scripts
    assert all((ROOT / "examples" / name).is_file() for name in scripts)
    study = section("A study")
    folder = ROOT / "examples" / "own_package"
    code = "".join(path.read_text() for path in (folder / "own_package").glob("*.py"))
    classes = re.findall(r"^- `(\w+\(\w+\))`", study, re.MULTILINE)
    assert classes == ["Drift(Blueprint)", "Drifting(Study)", "Regressor(Learner)"]
    assert all(f"class {name}:" in code for name in classes)
    asked = OmegaConf.load(folder / "conf" / "study" / "drift.yaml").shared
    assert all(f"`{key}`" in study for key in asked)


class OneNetwork:
    """The least of an agent that a recycler needs."""

    def __init__(self) -> None:
        self.network, self.obs = q_network("mlp", dueling=True)
        self.optimizers: list[Any] = []

    def hidden_layers(self) -> list[HiddenLayer]:
        return self.network.hidden_layers()


@pytest.mark.usefixtures("_modules")
def test_the_recycler_of_the_docs_recycles_the_neurons_with_the_weakest_outgoing_weights() -> None:
    node = OmegaConf.to_container(
        OmegaConf.create(example("A recycling method", "yaml").replace("${scaled:1000}", "2"))
    )
    assert isinstance(node, dict)
    recycler = build(node, "recyclers.weakest", name="weakest", generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    agent = OneNetwork()
    first = agent.hidden_layers()[0]
    with torch.no_grad():
        first.readers[0].layer.weight[:, 3] = 1e-6
    before = first.layer.weight.clone()
    recycler.after_update(agent, Counters(updates=1), None)
    assert torch.equal(first.layer.weight, before)
    recycler.after_update(agent, Counters(updates=2), None)
    changed = (first.layer.weight != before).any(dim=1).nonzero().flatten().tolist()
    assert changed == [3]
    assert first.readers[0].layer.weight[:, 3].abs().sum() == 0


@pytest.mark.usefixtures("_modules")
def test_the_regulariser_of_the_docs_pulls_the_rows_of_dense_layers_towards_orthogonal_ones() -> None:
    node = OmegaConf.to_container(OmegaConf.create(example("A regulariser", "yaml")))
    agent = tiny("sac", learning_rate=0.01)
    part = build(node, "regularisers.parseval", name="parseval", learner=agent, generator=None)  # type: ignore[arg-type]
    hooks = Hooks([(part, None)])  # type: ignore[list-item]
    agent.update(batches("sac", 1)[0], hooks)
    first = dict(hooks.penalties)
    by_hand = [layer.layer.weight for layer in tiny("sac").networks()[1].hidden]
    distances = [(w @ w.T - torch.eye(len(w))).square().sum().item() for w in by_hand]
    assert first["parseval/penalty_critic1"].item() == pytest.approx(1e-3 * sum(distances), rel=1e-5)
    assert first.keys() == {f"parseval/penalty_{network}" for network in ("actor", "critic1", "critic2")}
    assert torch.autograd.grad(part.loss(agent.networks()[0], None, None), agent.actor.torso.dense[0].weight)[0].any()


@pytest.mark.usefixtures("_modules")
def test_the_environment_of_the_docs_ends_with_reward_1() -> None:
    node = OmegaConf.to_container(OmegaConf.create(example("An environment", "yaml")))["env"]  # type: ignore[index,call-overload]
    config = parse(node, "env")
    assert target_of(node, "env").spec_of(config).obs_shape == (10,)
    env = build(node, "env", seed=0, training=True)
    env.reset()
    steps = [env.step(1) for _ in range(9)]
    assert [step.game_return for step in steps] == [None] * 8 + [1.0]
    assert steps[-1].terminated
    assert not steps[-1].truncated


def chain(**changes: int) -> Any:
    node = OmegaConf.to_container(OmegaConf.create(example("An environment", "yaml")))["env"]  # type: ignore[index,call-overload]
    return build(node | changes, "env", seed=0, training=False)


@pytest.mark.usefixtures("_modules")
def test_the_environment_of_the_docs_ends_a_game_whatever_the_policy() -> None:
    for action, expected in ((1, 1.0), (0, 0.0)):
        env, returns = chain(), []
        env.reset()
        for _ in range(100):
            step = env.step(action)
            if step.game_return is not None:
                returns.append((step.game_return, step.terminated, step.truncated))
                break
        assert returns == [(expected, action == 1, action == 0)]


@pytest.mark.usefixtures("_modules")
def test_the_environment_of_the_docs_goes_on_from_its_state() -> None:
    env, other = chain(max_episode_env_steps=12), chain(max_episode_env_steps=12)
    env.reset()
    for action in (1, 1, 0, 1):
        env.step(action)
    other.load_state_dict(env.state_dict())
    for _ in range(7):
        (mine, *rest), (theirs, *expected) = other.step(1), env.step(1)
        assert (mine.tolist(), rest) == (theirs.tolist(), expected)
    assert expected == [1.0, True, False, 1.0]


def test_every_file_and_folder_that_the_docs_link_to_exists() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_sweep_of_the_docs_has_the_runs_that_it_says() -> None:
    text = example("A sweep", "yaml")
    path = ROOT / "sweeps" / "mine.yaml"
    assert not path.exists()
    found = SweepFile(**OmegaConf.to_container(OmegaConf.create(text)))  # type: ignore[arg-type]

    def values(word: str) -> list[str]:
        key, _, value = word.partition("=")
        return [f"{key}={n}" for n in range(3)] if value == "range(3)" else [word]

    jobs = found.jobs([], values)
    assert len(jobs) == 2 * 2 * 2 * 3 - 6
    assert {tuple(word for word in job if "ratio" in word or "iterations" in word) for job in jobs} == {
        ("replay_ratio=0.25", "training.iterations=10"),
        ("replay_ratio=1", "training.iterations=5"),
    }


def test_the_figures_of_the_docs_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(2):
        for game in ("pong", "qbert"):
            make_run(tmp_path / "runs", "redo", game, seed, [1.0, 2.0], extra={"dormant/conv1_tau0p1": 5.0})
    (tmp_path / "mine.yaml").write_text(example("A figure", "yaml"))
    words = [str(tmp_path / "runs"), "-o", str(tmp_path), "--repetitions", "20"]
    assert main(["figure", str(tmp_path / "mine.yaml"), *words]) == 0
    assert set(pl.read_csv(tmp_path / "mine.csv")["metric"]) == {"dormant/conv1_tau0p1"}

    module = types.ModuleType("redo_lab.analysis.figures.spread")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(FIGURE_PRELUDE + example("A figure", "python"), module.__dict__)
    content = {"figure": {"_target_": "redo_lab.analysis.figures.spread.Spread", "width": "column", "alpha": 0.5}}
    OmegaConf.save(OmegaConf.create(content), tmp_path / "spread.yaml")
    assert main(["figure", str(tmp_path / "spread.yaml"), *words]) == 0
    assert pl.read_csv(tmp_path / "spread.csv").height == 4
    assert "A dot: a run" in (tmp_path / "spread.txt").read_text()
