"""`from redo_lab import load_run, load_agent`: a run's data without torch, its agent from a checkpoint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import torch

import redo_lab
from redo_lab import dormancy, load_agent, load_run
from redo_lab.cli import main
from redo_lab.config import ConfigError
from redo_lab.runs.names import EVALUATION_RETURN
from tests.attempt.test_resume import final_state

WORDS = [
    *("env=minatar/breakout", "scale=smoke", "training.iterations=2", "logger=none", "threads=1", "recycler=redo"),
    *("checkpoint.every_seconds=0.05", "checkpoint.keep=50", "seed=5"),
]
LIGHT = """
import sys
from redo_lab import load_run
run = load_run(sys.argv[1])
print(run.state, run.metrics(["train/loss"]).height > 0, run.metrics_in_pandas().shape[1])
assert not {"torch", "pyarrow", "nothing_installed"} & sys.modules.keys(), sorted(sys.modules)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    assert main(["train", *WORDS, f"root={root}"]) == 0
    (path,) = root.rglob("run.json")
    return path.parent


def copied(directory: Path, folder: Path, *names: str) -> Path:
    """Another run directory with only these files of `directory`."""
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes((directory / name).read_bytes())
    return folder


def test_a_run_gives_its_axes_its_settings_and_its_state(directory: Path) -> None:
    run = load_run(str(directory))
    assert (run.state, run.run_id, run.name) == ("finished", directory.name, "dqn breakout rr0.25 redo s5")
    assert run.axes["recycler"] == "redo"
    assert run.config["training"]["iterations"] == 2
    assert run.status is not None
    assert (run.status.done, run.status.unit) == (400, "agent steps")


def test_metrics_come_in_polars_and_in_pandas_as_the_file_has_them(directory: Path) -> None:
    run = load_run(directory)
    lines = (directory / "metrics.csv").read_text().splitlines()
    frame = run.metrics()
    assert frame.columns == lines[0].split(",")
    assert [f"{a},{b},{c},{d!r}" for a, b, c, d in frame.iter_rows()] == lines[1:]
    returns = run.metrics([EVALUATION_RETURN])
    assert returns["env_steps"].to_list() == [200, 400]
    assert returns.equals(run.metrics(EVALUATION_RETURN))
    in_pandas = run.metrics_in_pandas([EVALUATION_RETURN])
    assert isinstance(in_pandas, pd.DataFrame)
    assert pl.DataFrame({name: list(in_pandas[name]) for name in in_pandas}).equals(returns)


def test_reading_a_run_needs_no_torch_and_imports_nothing_that_the_run_names(directory: Path, tmp_path: Path) -> None:
    strange = copied(directory, tmp_path / "strange", "run.json", "metrics.csv", "status.json")
    (strange / "config.yaml").write_text("agent: {_target_: nothing_installed.Agent, n: '${oc.env:HOME}'}")
    done = subprocess.run([sys.executable, "-c", LIGHT, str(strange)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("finished True 4\n", "")
    assert load_run(strange).config["agent"]["n"] == "${oc.env:HOME}"
    light = "import sys, redo_lab; assert not {'torch', 'polars', 'omegaconf'} & sys.modules.keys()"
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0


def test_what_is_no_run_is_refused_with_a_sentence(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such directory"):
        load_run(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        load_run(tmp_path)
    with pytest.raises(ValueError, match=r"config\.yaml: No such file"):
        load_run(copied(directory, tmp_path / "bare", "run.json"))
    for content in ("a: [", "[1]", "- 1", "\0"):
        broken = copied(directory, tmp_path / f"broken{len(list(tmp_path.iterdir()))}", "run.json")
        (broken / "config.yaml").write_text(content)
        with pytest.raises(ValueError, match=r"config\.yaml is not a config"):
            load_run(broken)
    (tmp_path / "run.json").write_text('{"run_id": 3}')
    with pytest.raises(ValueError, match=r"run\.json: run_id must be str"):
        load_run(tmp_path)


def test_a_run_without_a_status_is_pending_and_with_a_damaged_one_unknown(directory: Path, tmp_path: Path) -> None:
    other = copied(directory, tmp_path / "other", "run.json", "config.yaml")
    assert load_run(other).state == "pending"
    (other / "status.json").write_text("{")
    assert load_run(other).state == "unknown"
    assert load_run(other).metrics().is_empty()


def test_the_agent_has_the_weights_of_the_newest_checkpoint(directory: Path) -> None:
    loaded = load_agent(directory)
    saved = final_state(directory)["agent"]["online"]
    (network,) = loaded.agent.networks()
    assert {name: value.tolist() for name, value in network.online.state_dict().items()} == {
        name: value.tolist() for name, value in saved.items()
    }
    assert loaded.env_steps == 400
    assert loaded.updates == load_run(directory).metrics()["updates"].max()
    obs = torch.from_numpy(loaded.environment().reset()[None])
    assert set(dormancy(network.online, obs, layers=network.hidden)) == {"conv", "dense", "total"}


def test_games_are_those_of_an_evaluation_and_follow_from_the_seed(directory: Path) -> None:
    loaded = load_agent(directory)
    returns = loaded.play(episodes=3, seed=1)
    assert len(returns) == 3
    assert load_agent(directory).play(episodes=3, seed=1) == returns
    greedy, env, total = loaded.play(epsilon=0), loaded.environment(), 0.0
    step, obs = None, env.reset()
    while step is None or step.game_return is None:
        step = env.step(loaded.agent.greedy(obs))
        obs, total = step.obs, total + step.reward
    assert greedy == [total]
    random = [loaded.play(seed=seed, epsilon=1)[0] for seed in range(8)]
    assert len(set(random)) > 1
    with pytest.raises(ConfigError, match="epsilon must lie in"):
        loaded.play(epsilon=2)
    with pytest.raises(ConfigError, match="episodes must be ≥ 1"):
        loaded.play(episodes=0)


def test_an_earlier_checkpoint_gives_an_earlier_agent(directory: Path) -> None:
    numbers = sorted(int(path.stem) for path in (directory / "checkpoint").glob("*.json"))
    earlier = load_agent(directory, checkpoint=numbers[0])
    assert earlier.env_steps == numbers[0] < 400
    now = load_agent(directory)
    weights = [agent.agent.networks()[0].online.state_dict()["head.weight"] for agent in (earlier, now)]
    assert torch.equal(*weights) == (earlier.updates == now.updates)
    with pytest.raises(ValueError, match="has no checkpoint 7, but: "):
        load_agent(directory, checkpoint=7)


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(directory: Path, tmp_path: Path) -> None:
    other = copied(directory, tmp_path / "other", "run.json", "config.yaml")
    with pytest.raises(ValueError, match=r"has no whole checkpoint$"):
        load_agent(other)
    numbers = sorted(int(path.stem) for path in (directory / "checkpoint").glob("*.json"))[-2:]
    names = [path.name for number in numbers for path in (directory / "checkpoint").glob(f"{number}[.-]*")]
    copied(directory / "checkpoint", other / "checkpoint", *names)
    assert load_agent(other).env_steps == 400
    (last,) = (other / "checkpoint").glob("400-*.state")
    last.write_bytes(b"redo_lab state 1\nnothing")
    assert load_agent(other).env_steps == numbers[0]
    with pytest.raises(ValueError, match=r"400 .*is damaged"):
        load_agent(other, checkpoint=400)


def test_a_device_that_is_not_there_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="device must be cpu, cuda"):
        load_agent(directory, device="abacus")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="finds no CUDA device"):
        load_agent(directory, device="cuda")


def test_a_notebook_completes_the_public_names() -> None:
    assert {"load_run", "load_agent", "dormancy", "recycle", "declare"} <= set(dir(redo_lab))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = redo_lab.nothing


def test_the_agent_of_a_run_that_this_version_does_not_understand_is_refused_as_its_resuming_is(
    directory: Path, tmp_path: Path
) -> None:
    other = copied(directory, tmp_path / "other", "run.json", "config.yaml")
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("n_step: 1", "n_steps: 1"))
    with pytest.raises(ConfigError, match=r"begun by another version of redo_lab.*unknown key 'agent\.n_steps'"):
        load_agent(other)
    (other / "config.yaml").write_text(config.replace("redo_lab.agents.value.ValueAgent", "not_installed.Agent"))
    with pytest.raises(ConfigError, match=r"agent: not_installed\.Agent is of no package that you have named"):
        load_agent(other)
    (other / "config.yaml").write_text("seed: 0")
    with pytest.raises(ConfigError, match="its config has no study"):
        load_agent(other)
    # An attempt with other settings counts: it is the newest.
    (other / "config.next.yaml").write_text("seed: ${")
    with pytest.raises(ConfigError, match=r"config\.next\.yaml can't be read"):
        load_agent(other)
