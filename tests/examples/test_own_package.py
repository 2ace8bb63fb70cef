"""`examples/own_package`: parts from outside redo_lab train, resume, are completed, hinted at and drawn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from redo_lab import load_agent, load_run
from redo_lab.cli import main
from redo_lab.config import ConfigError
from redo_lab.options import configured_packages, options
from redo_lab.paths import USER_CONF
from tests.attempt.test_resume import final_state, same
from tests.helpers.studies import make_run

FOLDER = Path(__file__).parent.parent.parent / "examples" / "own_package"
CONF = FOLDER / "conf"
WORDS = [
    *("env=corridor", "agent=polyak", "recycler=noise", "probe=[largest,dormancy]", "scale=smoke"),
    *("training.iterations=5", "checkpoint.every_seconds=0.05", "logger=none", "threads=1"),
]
KILLED = """
import os, signal, sys
from pathlib import Path
from own_package.corridor import Corridor
from redo_lab.cli import main
step, root, calls = Corridor.step, Path(sys.argv.pop(1)), 0
def counted(self, action):
    global calls
    calls += 1
    if calls > 300 and any(root.rglob("checkpoint/*.json")):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, action)
Corridor.step = counted
main()
"""


STUDY = [
    *(
        "study=drift",
        "scale=smoke",
        "recycler=[redo,noise]",
        "regulariser=[small_biases,l2_init]",
        "training.updates=900",
    ),
    *("probe=[largest,dormancy,norms,overlap]", "network.hidden=[16,16]", "checkpoint.every_seconds=0.05"),
    *("logger=none", "threads=1", "training.learning_rate=0.01"),
]
KILLED_STUDY = """
import os, signal, sys
from pathlib import Path
from own_package.drift import Drifting
from redo_lab.cli import main
step, root = Drifting.step, Path(sys.argv.pop(1))
def counted(self):
    if self.counters.updates > 300 and any(root.rglob("checkpoint/*.json")):
        os.kill(os.getpid(), signal.SIGKILL)
    step(self)
Drifting.step = counted
main()
"""


def run(start: list[str], *words: str, where: Path, **environment: str) -> int:
    paths = os.pathsep.join([str(FOLDER), str(FOLDER.parent.parent)])
    own = {**os.environ, "PYTHONPATH": paths, **environment}
    return subprocess.run([sys.executable, *start, *words], cwd=where, env=own, check=False, timeout=300).returncode


def metrics(root: Path) -> bytes:
    (path,) = root.rglob("metrics.csv")
    return path.read_bytes()


def test_a_run_of_ones_own_parts_that_was_killed_and_resumed_by_a_launcher_equals_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    whole, mended, cli = tmp_path / "whole", tmp_path / "mended", ["-m", "redo_lab.cli"]
    assert run(cli, "--conf", str(CONF), "train", *WORDS, f"root={whole}", where=tmp_path) == 0
    started = ["-c", KILLED, str(mended), "--conf", str(CONF), "train", *WORDS, f"root={mended}"]
    assert run(started, where=tmp_path) == -signal.SIGKILL
    assert len(metrics(mended).splitlines()) < len(metrics(whole).splitlines())
    again = ["train", "-m", *WORDS, "hydra.launcher.threads_per_run=1", f"root={mended}"]
    assert run(cli, *again, where=tmp_path, REDO_LAB_CONF=str(CONF)) == 0
    assert metrics(mended) == metrics(whole)
    for name in ("largest/dense", "noise/norm", "evaluation/return_mean", "dormant/total_tau0p1"):
        assert f",{name},".encode() in metrics(whole)


def started(root: Path) -> list[str]:
    return ["-c", KILLED_STUDY, str(root), "--conf", str(CONF), "train", *STUDY, f"root={root}"]


def test_a_run_of_ones_own_study_that_was_killed_and_resumed_equals_an_uninterrupted_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, mended, cli = tmp_path / "whole", tmp_path / "mended", ["-m", "redo_lab.cli"]
    assert run(cli, "--conf", str(CONF), "train", *STUDY, f"root={whole}", where=tmp_path) == 0
    assert run(started(mended), where=tmp_path) == -signal.SIGKILL
    assert main(["status", str(mended)]) == 0
    assert "drift mlp redo+noise small_biases+l2_init s0" in capsys.readouterr().out
    assert run(cli, "train", *STUDY, f"root={mended}", where=tmp_path, REDO_LAB_CONF=str(CONF)) == 0
    assert metrics(mended) == metrics(whole)
    (one,), (other,) = ([path.parent for path in root.rglob("run.json")] for root in (whole, mended))
    assert same(final_state(one), final_state(other))
    read = load_run(one)
    frame = read.metrics(["task/loss"])
    assert frame["updates"].to_list() == list(range(20, 901, 20))
    assert frame["env_steps"].to_list() == [32 * updates for updates in range(20, 901, 20)]
    names = {
        *(
            "small_biases/penalty",
            "l2_init/penalty",
            "redo/recycled_total",
            "noise/norm",
            "largest/dense1",
            "train/loss",
        ),
        *("dormant/total_tau0p1", "norms/dense2_gradient", "overlap/total_kept_tau0"),
    }
    assert names <= set(read.metrics()["name"])
    assert main(["status", str(one)]) == 0
    assert "loss" in capsys.readouterr().out
    assert main(["runs", str(tmp_path), "--columns", "study", "network", "recycler", "state", "done"]) == 0
    assert "redo+noise  finished" in capsys.readouterr().out
    assert main(["diff", str(one), str(other)]) == 1  # their roots differ
    assert "metrics: identical" in capsys.readouterr().out
    monkeypatch.setenv(USER_CONF, str(CONF))
    monkeypatch.syspath_prepend(str(FOLDER))
    with pytest.raises(ConfigError, match="load_agent takes a run of study=online, this one's is a Drift"):
        load_agent(one)


@pytest.mark.usefixtures("_own")
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("training.updates=0", "training.updates must be > 0"),
        ("probe=values", "probes.values needs a TDCritic, and Regressor is none"),
        ("network=nature", "network: nature reads images"),
        ("training.taks=3", "taks"),
    ],
)
def test_what_cannot_work_in_ones_own_study_is_refused(
    word: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "study=drift", "scale=smoke", word, f"root={tmp_path}"]) == 2
    assert message in capfd.readouterr().err


@pytest.fixture
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_CONF, str(CONF))
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.mark.usefixtures("_own")
def test_ones_own_options_are_hinted_at(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "recycler=nois"]) == 2
    assert "no option 'nois' in group 'recycler': did you mean 'noise'?" in capfd.readouterr().err
    assert {"noise", "redo"} < set(options("recycler"))
    assert main(["sweep", "corridr"]) == 2
    assert "did you mean 'corridor'?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "completion"),
    [
        ("train recycler=noi", "recycler=noise"),
        ("train env=corr", "env=corridor"),
        ("sweep corr", "corridor"),
        ("figure do", "dots"),
        ("train agent=polyak agent.target_sm", "agent.target_smoothing="),
    ],
)
def test_the_shell_completes_ones_own_options(
    line: str, completion: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = f"redo-lab --conf {CONF} {line}"
    monkeypatch.setenv(USER_CONF, "")
    monkeypatch.setenv("COMP_LINE", typed)
    monkeypatch.setenv("COMP_POINT", str(len(typed)))
    assert main(["-sc", "query=bash"]) == 0
    assert completion in capsys.readouterr().out.split()


@pytest.mark.usefixtures("_own")
def test_ones_own_figure_is_drawn(tmp_path: Path) -> None:
    for seed in range(2):
        make_run(tmp_path / "runs", "redo", "pong", seed, [1.0, 2.0])
    assert main(["figure", "dots", str(tmp_path / "runs"), "-o", str(tmp_path), "--repetitions", "20"]) == 0
    assert pl.read_csv(tmp_path / "dots.csv").height == 2


@pytest.mark.usefixtures("_own")
def test_the_packages_that_ones_own_files_name_are_known() -> None:
    assert configured_packages() == ("redo_lab", "own_package")


def test_a_folder_that_is_not_there_and_a_name_that_is_taken_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(USER_CONF, "")
    assert main(["--conf", str(tmp_path / "absent"), "train"]) == 2
    assert f"there is no folder {tmp_path / 'absent'}" in capsys.readouterr().err
    monkeypatch.setenv(USER_CONF, "")
    (tmp_path / "recycler").mkdir()
    (tmp_path / "recycler" / "redo.yaml").write_text("{}")
    assert main(["--conf", str(tmp_path), "train"]) == 2
    assert "recycler/redo.yaml: give it another" in capsys.readouterr().err
    assert main(["--conf"]) == 2
