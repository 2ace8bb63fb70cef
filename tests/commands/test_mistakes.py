"""What a user gets wrong is refused before anything starts: exit code 2, one line, the nearest valid choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.commands.train import main
from redo_lab.config import ConfigError
from redo_lab.plan import plan
from tests.helpers.composing import composed

MISTAKES = [
    ("agent=dqn study=supervised", "this study has no 'agent': leave agent=… out, or give study="),
    ("data=digits", "this study has no 'data': leave data=… out, or give study=offline or study=supervised"),
    (
        "study=supervised agent.learning_rate=1",
        "unknown key 'agent.learning_rate': did you mean 'learner.learning_rate'?",
    ),
    ("study=supervised probe=[dormancy,churn]", "probes.churn needs an Actor, and Classifier is none"),
    ("study=supervised probe=values", "probes.values needs a TDCritic, and Classifier is none"),
    ("study=supervised learner.batch_size=2000", "learner.batch_size=2000 is more than data.samples=1437"),
    ("study=supervised data=cifar10", "data.download=true fetches them, data=digits needs none"),
    ("study=supervised targets.shuffle_every_epochs=0", "targets.shuffle_every_epochs must be ≥ 1 or null, got 0"),
    ("recycler=redoo", "no option 'redoo' in group 'recycler': did you mean 'redo'?"),
    ("env=atari/brekout", "no option 'atari/brekout' in group 'env': did you mean 'atari/breakout'?"),
    ("replay_ratio=3", "no option '3' in group 'replay_ratio': choices: 0.25, 0.5, 1, 2, 4, 8"),
    ("recyclerr=redo", "unknown key 'recyclerr': did you mean 'recycler'?"),
    ("agent.learning_rat=1", "unknown key 'agent.learning_rat': did you mean 'agent.learning_rate'?"),
    ("+agent.epsilon.finale=1", "unknown key 'agent.epsilon.finale': did you mean 'final'?"),
    ("recyclers.redo.threshold=0.1", "'recyclers.redo' is not part of this run: give recycler=redo too"),
    (
        "recycler=redo recyclers.redo.treshold=0.05",
        "unknown key 'recyclers.redo.treshold': did you mean 'recyclers.redo.threshold'?",
    ),
    ("agent.learning_rate=abc", "agent.learning_rate: Value 'abc' of type 'str' could not be converted to Float"),
    ("seed=1.5", "seed: Value '1.5' of type 'float' could not be converted to Integer"),
    ("agent.loss=hubr", "agent.loss: no choice 'hubr': did you mean 'huber'?"),
    ("env=atari", "a value is missing: give env.game=…"),
    ("recycler=redo recyclers.redo.threshold=-0.1", "recyclers.redo.threshold must be ≥ 0, got -0.1"),
    ("recycler=redo recyclers.redo.period_updates=0", "recyclers.redo.period_updates must be ≥ 1, got 0"),
    ("training.replay_ratio=0", "training.replay_ratio must be > 0, got 0.0"),
    ("agent.batch_size=5000000", "agent.batch_size=5000000 is more than replay.capacity=1000000"),
    ("agent.learning_rate=0", "agent.learning_rate must be > 0, got 0.0"),
    ("probes.dormancy.thresholds=[-1]", "probes.dormancy.thresholds must be ≥ 0, got [-1.0]"),
    ("env=atari env.game=Brekout", "env: no Atari game 'Brekout': did you mean 'breakout'?"),
    ("network=mlp", "network: mlp reads vectors [D], but observations are [4, 84, 84]"),
    ("scale=smoke agent.warmup_env_steps=600", "agent.warmup_env_steps=600, but training has 600 agent steps in all"),
    ("evaluation.env_steps=null", "evaluation: give one of env_steps and episodes, and null for the other"),
    ("agent.compile=graph", "agent.compile=graph needs a CUDA device, and device is cpu"),
    ("replay.device=cuda", "replay.device=cuda needs device=cuda, and device is cpu"),
    ("agent.compile=grap", "agent.compile: no choice 'grap': did you mean 'graph'?"),
    ("device=gpu", "device must be cpu, cuda, cuda:<n> or auto, got gpu"),
    (
        "schedule.iterations=5",
        "there is no 'schedule.iterations' any more, each part has its own numbers: did you mean"
        " 'training.iterations'?",
    ),
    ("schedule.recycle_period_updates=5", "did you mean 'shared.recycle_period_updates'?"),
    ("schedule.replay_capacity=5", "did you mean 'replay.capacity'?"),
    ("recycler=[redo", "cannot read 'recycler=[redo'"),
    ("replay.capacity=900000000", "set replay.capacity="),
    ("--config-name=confog", "no config 'confog': did you mean 'config'?"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_refused_with_exit_code_2(
    words: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main([*words.split(), f"root={tmp_path / 'runs'}"])
    printed = capfd.readouterr()
    assert code == 2
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_an_agent_that_cannot_act_in_the_environment_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["env=mujoco/ant", "agent=dqn", "network=mlp", "evaluation=steps", f"root={tmp_path / 'runs'}"]
    assert main(words) == 2
    assert "needs discrete actions" in capfd.readouterr().err


@pytest.mark.parametrize("setting", ["agent.compile=graph", "replay.device=cuda"])
def test_what_needs_a_gpu_is_refused_on_a_cpu_also_where_the_run_is_a_job_of_a_cluster(setting: str) -> None:
    words = ("env=minatar/breakout", setting)
    with pytest.raises(ConfigError, match="device is cpu"):
        plan(*composed(*words), here=False)
    for device in ("cuda", "auto"):
        assert plan(*composed(*words, f"device={device}"), here=False).study.total > 0
