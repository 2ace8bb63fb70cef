"""What a user gets wrong is refused before anything starts: exit code 2, one line, the nearest valid choice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra._internal.utils import get_args_parser
from hydra.errors import MissingConfigException

from hydra_plugins.redo_lab_sweeper.grid import values
from redo_lab.cli import main
from redo_lab.commands.hints import SYNONYMS, composed_of, keys_of, suggestion
from redo_lab.commands.mistakes import explain
from redo_lab.commands.words import ALONE, INFO, WITH_VALUE, arranged
from redo_lab.config import ConfigError
from redo_lab.options import files
from redo_lab.paths import USER_CONF
from redo_lab.plan import plan
from tests.helpers.composing import composed

MISTAKES = [
    ("train agent=dqn study=supervised", "this study has no 'agent': leave agent=… out, or give study="),
    ("train data=digits", "this study has no 'data': leave data=… out, or give study=offline or study=supervised"),
    (
        "train study=supervised agent.learning_rate=1",
        "unknown key 'agent.learning_rate': did you mean 'learner.learning_rate'?",
    ),
    ("train study=supervised probe=[dormancy,churn]", "probes.churn needs an Actor, and Classifier is none"),
    ("train study=supervised probe=values", "probes.values needs a TDCritic, and Classifier is none"),
    ("train study=supervised learner.batch_size=2000", "learner.batch_size=2000 is more than data.samples=1437"),
    ("train study=supervised data=cifar10", "data.download=true fetches them, data=digits needs none"),
    (
        "train study=supervised targets.shuffle_every_epochs=0",
        "targets.shuffle_every_epochs must be ≥ 1 or null, got 0",
    ),
    ("train recycler=redoo", "no option 'redoo' in group 'recycler': did you mean 'redo'?"),
    ("train env=atari/brekout", "no option 'atari/brekout' in group 'env': did you mean 'atari/breakout'?"),
    (
        "train replay_ratio=3",
        "no option '3' in group 'replay_ratio': choices: 0.25, 0.5, 1, 2, 4, 8; or training.replay_ratio=3 for any",
    ),
    (
        "train study=offline agent.act_ahead=true",
        "agent.act_ahead=true would change nothing: with study=offline nothing acts",
    ),
    ("train study=offline agent.epsilon.final=0.1", "agent.epsilon.final=0.1 would change nothing: with study=offline"),
    ("train study=offline agent.warmup_env_steps=9", "agent.warmup_env_steps=9 would change nothing"),
    (
        "train study=offline training.iterations=3",
        "training.iterations=3 would change nothing: the length is training.updates (null: that of these iterations)",
    ),
    ("train -m study=online,offline agent.act_ahead=true", "with study=offline nothing acts (in study=offline, 1 of 2"),
    ("train recyclerr=redo", "unknown key 'recyclerr': did you mean 'recycler'?"),
    ("train agent.learning_rat=1", "unknown key 'agent.learning_rat': did you mean 'agent.learning_rate'?"),
    ("train +agent.epsilon.finale=1", "unknown key 'agent.epsilon.finale': did you mean 'final'?"),
    ("train recyclers.redo.threshold=0.1", "'recyclers.redo' is not part of this run: give recycler=redo too"),
    (
        "train recycler=redo recyclers.redo.treshold=0.05",
        "unknown key 'recyclers.redo.treshold': did you mean 'recyclers.redo.threshold'?",
    ),
    ("train agent.learning_rate=abc", "agent.learning_rate: Value 'abc' of type 'str' could not be converted to Float"),
    ("train seed=1.5", "seed: Value '1.5' of type 'float' could not be converted to Integer"),
    ("train agent.loss=hubr", "agent.loss: no choice 'hubr': did you mean 'huber'?"),
    ("train env=atari", "a value is missing: give env.game=…"),
    ("train recycler=redo recyclers.redo.threshold=-0.1", "recyclers.redo.threshold must be ≥ 0, got -0.1"),
    ("train recycler=redo recyclers.redo.period_updates=0", "recyclers.redo.period_updates must be ≥ 1, got 0"),
    ("train training.replay_ratio=0", "training.replay_ratio must be > 0, got 0.0"),
    ("train agent.batch_size=5000000", "agent.batch_size=5000000 is more than replay.capacity=1000000"),
    ("train agent.learning_rate=0", "agent.learning_rate must be > 0, got 0.0"),
    ("train probes.dormancy.thresholds=[-1]", "probes.dormancy.thresholds must be ≥ 0, got [-1.0]"),
    ("train env=atari env.game=Brekout", "env: no Atari game 'Brekout': did you mean 'breakout'?"),
    ("train network=mlp", "network: mlp reads vectors [D], but observations are [4, 84, 84]"),
    (
        "train scale=smoke agent.warmup_env_steps=600",
        "agent.warmup_env_steps=600, but training has 600 agent steps in all",
    ),
    (
        "train replay_ratio=1 agent=drq_eps agent.warmup_env_steps=0 agent.update_period_env_steps=1 agent.n_step=3",
        "the first update comes after agent step 1, when no transition of n_step=3 is complete yet: set"
        " agent.warmup_env_steps=2 or more",
    ),
    ("train evaluation.env_steps=null", "evaluation: give one of env_steps and episodes, and null for the other"),
    ("train agent.compile=graph", "agent.compile=graph needs a CUDA device, and device is cpu"),
    ("train replay.device=cuda", "replay.device=cuda needs device=cuda, and device is cpu"),
    ("train agent.compile=grap", "agent.compile: no choice 'grap': did you mean 'graph'?"),
    ("train device=gpu", "device must be cpu, cuda, cuda:<n> or auto, got gpu"),
    (
        "train schedule.iterations=5",
        "there is no 'schedule.iterations' any more, each part has its own numbers: did you mean"
        " 'training.iterations'?",
    ),
    ("train schedule.recycle_period_updates=5", "did you mean 'shared.recycle_period_updates'?"),
    ("train schedule.replay_capacity=5", "did you mean 'replay.capacity'?"),
    ("train recycler=[redo", "cannot read 'recycler=[redo'"),
    ("train replay.capacity=900000000", "set replay.capacity="),
    ("train --config-name=confog", "no config 'confog': did you mean 'config'?"),
    ("train agent.lr=0.1", "unknown key 'agent.lr': did you mean 'agent.learning_rate'?"),
    ("train lr=0.1", "unknown key 'lr': did you mean 'agent.learning_rate'?"),
    ("train learning_rate=0.1", "did you mean 'agent.learning_rate'?"),
    ("train study=supervised lr=0.1", "did you mean 'learner.learning_rate'?"),
    ("train steps=100", "unknown key 'steps': did you mean 'training.iterations'?"),
    ("train study=supervised steps=100", "did you mean 'training.epochs'?"),
    ("train gamma=0.9", "unknown key 'gamma': did you mean 'agent.discount'?"),
    ("train batch_size=64", "did you mean 'agent.batch_size', "),
    ("train agent=sac tau=0.1", "did you mean 'agent.target_smoothing', "),
    ("train width=2", "did you mean 'network.width'?"),
    ("train training.evaluation_env_steps=2", "did you mean 'shared.evaluation_env_steps'?"),
    ("train training.env_steps_per_iteration=2", "did you mean 'training.iteration_env_steps'?"),
    ("train network.normalisation=layer", "did you mean 'network.norm'?"),
    ("train checkpoint.interval=60", "did you mean 'checkpoint.every_seconds'?"),
    ("train checkpoint.delay=60", "unknown key 'checkpoint.delay': did you mean 'checkpoint.every_seconds'?"),
    ("train progress.interval=60", "did you mean 'progress.line_seconds' or 'progress.refresh_seconds'?"),
    ("train training.log_every=60", "did you mean 'training.log_period_updates'?"),
    ("train replay.size=60", "did you mean 'replay.capacity'?"),
    ("train agent.epsilon.end=0.1", "did you mean 'agent.epsilon.final'?"),
    ("train agent.min_replay=60", "did you mean 'agent.warmup_env_steps'?"),
    ("train agnt.learning_rate=1", "did you mean 'agent.learning_rate'?"),
    ("train network.initialisation=he", "did you mean 'network.initialiser'?"),
    ("train agent.min_replays=60", "unknown key 'agent.min_replays': `redo-lab train --cfg job` prints all there are"),
    ("train checkpoint.wait=60", "unknown key 'checkpoint.wait': `redo-lab train --cfg job` prints all there are"),
    ("train network.depth=3", "unknown key 'network.depth': `redo-lab train --cfg job` prints all there are"),
    ("train zzzz=2", "unknown key 'zzzz': `redo-lab train --cfg job` prints all there are"),
    ("train recycler=redo recyclers.redo.period=5", "did you mean 'recyclers.redo.period_updates'?"),
    ("train recyclers.redo.period=5", "give recycler=redo too"),
    ("train probe=dormancy probes.rank.delta=0.1", "give 'probe=[dormancy,rank]' too"),
    ("train probes.rank.delta=0.1", "give 'probe=[dormancy,overlap,norms,churn,values,rank]' too"),
    ("train probe=none probes.rank.delta=0.1", "give probe=rank too"),
    ("train recycler=prune recyclers.redo.threshold=0.1", "give 'recycler=[prune,redo]' too"),
    ("train network=redo", "no option 'redo' in group 'network': it is one of another group, give recycler=redo"),
    ("train network=none", "no option 'none' in group 'network': choices: cifar, impala, minatar, mlp, nature"),
    ("train agent=random", "no option 'random' in group 'agent': choices: dqn, dqn_nstep3, drq_eps, sac, sac_upstream"),
    ("train network=1", "no option '1' in group 'network': choices: cifar, impala, minatar, mlp, nature"),
    ("train recyclers.redoo.threshold=5", "did you mean 'recyclers.redo.threshold' (with recycler=redo) or "),
    ("train recycler=redo threshold=0.1", "did you mean 'recyclers.redo.threshold', "),
    ("train thresholds=0.1", "'probes.dormancy.thresholds' or 'recyclers.redo.threshold' (with recycler=redo)?"),
    ("train agent=dqn seed=0,1,2", "several runs, which need -m: redo-lab train -m agent=dqn seed=0,1,2"),
    ("train seed=range(3)", "several runs, which need -m: redo-lab train -m 'seed=range(3)'"),
    ("train replay_ratio=glob(*)", "several runs, which need -m: redo-lab train -m 'replay_ratio=glob(*)'"),
    ("train recycler=none,redo", "train -m recycler=none,redo; one run with all of them: 'recycler=[none,redo]'"),
    ("train probes.dormancy.thresholds=0,0.1", "one run with all of them: 'probes.dormancy.thresholds=[0,0.1]'"),
    ("train -m seed=range(0)", "seed=range(0) holds no value, so there is nothing to run: range(3) is 0, 1, 2"),
    ("train seed=range(0)", "seed=range(0) holds no value"),
    ("train -m env=glob(zz*)", "env=glob(zz*) holds no value"),
    ("train --seed 3", "no option '--seed': a setting has no dashes: seed=3"),
    ("train --seed=3 agent=dqn", "no option '--seed=3': a setting has no dashes: seed=3"),
    ("train --learning-rate 3", "a setting has no dashes: learning_rate=3"),
    ("train --multi seed=0", "no option '--multi': did you mean --multirun?"),
    ("train seed=0 -m --cfg job", "-m and --cfg do not go together: give one of them"),
    ("train seed=0 --cfg", "--cfg needs a value after it"),
    ("train seed 3", "'seed' is no setting, which is written key=value: seed=3"),
    ("train agent=dqn seed 3", "'seed' is no setting, which is written key=value: seed=3"),
    ("train redo", "'redo' is no setting, which is written key=value: recycler=redo"),
    (
        "train agent=dqn seed=0 1 2 recycler=redo",
        "'1' names no setting; several values of one are joined by commas: redo-lab train -m agent=dqn seed=0,1,2"
        " recycler=redo",
    ),
    ("train -m seed=0, 1", "joined by commas: redo-lab train -m seed=0,1"),
    ("train =3", "'=3' names no setting: it is written key=value, such as seed=3"),
    ("train experiment=", "experiment= has no value: give experiment=…, or leave it out"),
    ("train recycler=", "recycler= has no value"),
    ("train recycler=[redo,none]", "none stands alone: recycler=redo, or recycler=none for no recycler"),
    ("train -m recycler=redo,[none,redo,reset]", "none stands alone: recycler=[redo,reset], or recycler=none"),
    ("train recycler=[redo,redo]", "redo is there more than once: recycler=redo"),
    ("train network=minatar", "observations are [4, 84, 84]; network=cifar or network=impala or network=nature reads"),
    (
        "train env=minatar/breakout network=nature",
        "observations are (4, 10, 10); network=cifar or network=minatar reads",
    ),
    ("train env=nonsense", "choices: atari, atari_100k, classic, minatar, mujoco, atari/…, "),
    ("train hydra/launcher=slrm", "no option 'slrm' in group 'hydra/launcher': did you mean 'slurm'?"),
    ("train --directory", "--directory needs the directory of a run, and nothing else"),
    ("train --directory nowhere", "nowhere holds no run: there is no config.yaml in it"),
    ("train root=/proc/none/at/all", "root=/proc/none/at/all: can't write there"),
    ("sweep fig100", "no sweep 'fig100': did you mean 'fig10'?"),
    ("sweep fig1 seed 3", "'seed' is no setting, which is written key=value: seed=3"),
    (
        "sweep fig1 seed=0 1",
        "redo-lab sweep: '1' names no setting; several values of one are joined by commas: "
        "redo-lab sweep fig1 seed=0,1\n",
    ),
    ("sweep fig1 agent.lr=1", "redo-lab sweep: unknown key 'agent.lr': did you mean 'agent.learning_rate'?"),
    ("sweep fig1 scale=demi", "redo-lab sweep: no option 'demi' in group 'scale'"),
    ("sweep fig1 --cfg job", "redo-lab sweep: a sweep has no --cfg, which is for one run: redo-lab train --cfg …"),
    (
        "sweep fig1 hydra/sweeper=basic",
        "redo-lab sweep: a sweep makes its jobs itself: other sweepers than grid are for",
    ),
    ("sweep fig1 seed=range(0)", "seed=range(0) holds no value"),
    ("figure fig1", "runs/dqn17: no such directory; `redo-lab sweep fig1` makes these runs"),
    ("figure fgi1", "no figure 'fgi1': did you mean 'fig1'?"),
    ("report", "which runs? Give a run directory, an experiment, or a root of many"),
    ("trian", "no verb 'trian': did you mean 'train'?"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES)
def test_a_mistake_is_refused_with_exit_code_2_and_leaves_nothing(
    line: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(line.split(" "))
    printed = capfd.readouterr()
    assert message in printed.err
    assert code == 2
    assert len(printed.err.strip().splitlines()) == 1
    assert not printed.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ("seed=0,1 recycler=redo -m", "2 runs"),
        ("-m replay_ratio=glob(*)", "6 runs"),
        ("recycler=redo seed=-0", "1 run"),
        ("-m recycler=none,redo recyclers.redo.threshold=0.1", "2 runs"),
        ("hydra.mode=MULTIRUN recycler=none,redo recyclers.redo.threshold=0.1", "2 runs"),
    ],
)
def test_what_could_be_a_mistake_but_is_clear_works(
    words: str, runs: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words.split(), "scale=smoke", "dry_run=true"]) == 0
    assert capfd.readouterr().out.startswith(f"{runs}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_single_value_is_an_axis_of_our_own_sweeper() -> None:
    words = ["-m", "recycler=none,redo", "recyclers.redo.threshold=0.1", "seed=3"]
    assert arranged(words) == ["-m", "recycler=none,redo", "recyclers.redo.threshold=choice(0.1)", "seed=3"]
    for value in ("null", "'1'", '"1"', "''", "true", "[1,2]", "1e-3"):
        plain = f"recyclers.redo.threshold={value}"
        assert values(arranged(["-m", plain])[1]) == values(plain)
    assert arranged(words[2:]) == words[2:]


def test_of_other_sweepers_only_what_a_part_may_be_missing_for_is_an_axis() -> None:
    words = ["-m", "hydra/sweeper=optuna", "agent.learning_rate=0.1", "recyclers.redo.threshold=0.1"]
    assert arranged([*words, "recycler=redo"]) == [*words, "recycler=redo"]
    searched = arranged([*words, "recycler=none,redo"])
    assert searched == [*words[:-1], "recyclers.redo.threshold=choice(0.1)", "recycler=none,redo"]


def test_hydras_mode_makes_a_multirun_as_its_flag_does() -> None:
    words = ["recycler=none,redo", "recyclers.redo.threshold=0.1"]
    swept = ["recycler=none,redo", "recyclers.redo.threshold=choice(0.1)"]
    assert arranged(["hydra.mode=MULTIRUN", *words]) == ["hydra.mode=MULTIRUN", *swept]
    with pytest.raises(ConfigError, match="several runs, which need -m"):
        arranged(["hydra.mode=RUN", *words])


def test_hydras_own_options_are_known() -> None:
    """A release of Hydra with one more would have it refused."""
    actions = [action for action in get_args_parser()._actions if action.option_strings]
    for action in actions:
        expected = INFO if action.nargs == "?" else ALONE if action.nargs == 0 else WITH_VALUE
        assert set(action.option_strings) <= set(expected), action.option_strings
    assert {name for action in actions for name in action.option_strings} == {*ALONE, *WITH_VALUE, *INFO}


def test_a_key_of_a_part_that_lacks_a_letter_is_known_in_every_study() -> None:
    nodes = ("checkpoint", "progress", "training", "replay", "agent", "learner", "evaluation")
    for study in files("study"):
        keys = keys_of(composed_of([f"study={study}"]))
        own = [key for key in keys if not key.option and key.path.partition(".")[0] in nodes and "." in key.path]
        assert {"checkpoint", "progress", "training"} <= {key.path.partition(".")[0] for key in own}
        for key in own:
            middle = len(key.path) - len(key.leaf) // 2
            typo = key.path[: middle - 1] + key.path[middle:]
            assert f"'{key.path}'" in suggestion(typo, keys), typo


def test_every_synonym_means_a_setting_of_some_run() -> None:
    studies = [["agent=dqn"], ["agent=sac", "env=mujoco/ant"], *([f"study={name}"] for name in files("study"))]
    leaves = {key.leaf for words in studies for key in keys_of(composed_of(words))}
    assert {target for targets in SYNONYMS.values() for target in targets} <= leaves


def test_a_folder_of_the_users_own_with_the_name_of_a_setting_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER_CONF, "")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("seed: 3\n", encoding="utf-8")
    assert main(["--conf", str(tmp_path), "train", "experiment=mine"]) == 2
    assert "experiment has the name of a setting of every run (experiment=…)" in capfd.readouterr().err


def test_options_and_settings_from_outside_are_in_the_hints(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER_CONF, "")
    own = "# @package recyclers.gentle\n_target_: own.Gentle\nstrength_of_mine: 3\n"
    for group, text in (("recycler", own), ("flavour", "seed: 3\n")):
        (tmp_path / group).mkdir()
        (tmp_path / group / "gentle.yaml").write_text(text, encoding="utf-8")
    for words, message in (
        ("recycler=gentel", "did you mean 'gentle'?"),
        ("strength_of_mine=3", "did you mean 'recyclers.gentle.strength_of_mine' (with recycler=gentle)?"),
        ("flavour=gentle", "+flavour=… adds it"),
    ):
        assert main(["--conf", str(tmp_path), "train", words]) == 2
        assert message in capfd.readouterr().err


def test_a_suggested_command_has_the_users_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER_CONF, "")
    for words in (["train", "seed=0,1"], ["sweep", "fig1", "seed=0", "1"]):
        assert main(["--conf", str(tmp_path), *words]) == 2
        start = "train -m" if words[0] == "train" else "sweep fig1"
        assert capfd.readouterr().err.endswith(f": redo-lab --conf {tmp_path} {start} seed=0,1\n")


def test_optuna_where_it_is_not_installed_is_refused_with_what_installs_it() -> None:
    error = MissingConfigException("no such file", "hydra/sweeper/optuna", ["basic", "grid"])
    message = "no option 'optuna' in group 'hydra/sweeper': pip install 'redo_lab[optuna]' adds it"
    assert explain(error, ["hydra/sweeper=optuna"]) == message


def test_a_run_for_wandb_without_a_login_does_not_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr("redo_lab.loggers.wandb.login.problem", lambda: "not logged in")
    for words in (["logger=wandb"], ["-m", "logger=wandb", "seed=0,1"]):
        assert main(["train", "scale=smoke", *words]) == 2
        refusal = "logger=wandb: not logged in; run `wandb login`, or logger=wandb_offline needs no account"
        assert refusal in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_agent_that_cannot_act_in_the_environment_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["env=mujoco/ant", "agent=dqn", "network=mlp", "evaluation=steps", f"root={tmp_path / 'runs'}"]
    assert main(["train", *words]) == 2
    assert "needs discrete actions" in capfd.readouterr().err


@pytest.mark.parametrize("setting", ["agent.compile=graph", "replay.device=cuda"])
def test_what_needs_a_gpu_is_refused_on_a_cpu_also_where_the_run_is_a_job_of_a_cluster(setting: str) -> None:
    words = ("env=minatar/breakout", setting)
    with pytest.raises(ConfigError, match="device is cpu"):
        plan(*composed(*words), here=False)
    for device in ("cuda", "auto"):
        assert plan(*composed(*words, f"device={device}"), here=False).study.total > 0
