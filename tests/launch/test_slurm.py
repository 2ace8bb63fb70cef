"""Submission without a cluster: what sbatch would get, in which portions, and what is on disk at every moment."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from redo_lab.cli import main
from redo_lab.commands.train import CONF
from redo_lab.config import ConfigError, parse
from redo_lab.launch.pack import Pack
from redo_lab.launch.record import Sweep, SweepRun, jobs_of, sweeps_below
from redo_lab.launch.slurm import TARGET, Slurm, SubmissionRefused, resubmit
from redo_lab.runs import status
from redo_lab.runs.lease import acquire
from redo_lab.runs.status import State
from redo_lab.sweeping.slurm import EXIT_REFUSED

GOLDEN = Path(__file__).parent.parent / "golden" / "sbatch"
SETTINGS = OmegaConf.to_container(OmegaConf.load(CONF / "hydra" / "launcher" / "slurm.yaml"))
assert isinstance(SETTINGS, dict)
del SETTINGS["_target_"]
SBATCH = """#!/bin/sh
set -e
count=$(cat {folder}/count 2>/dev/null || echo 0)
count=$((count + 1))
echo $count > {folder}/count
cp "$1" {folder}/sbatch.$count
cp {record}/*.json {folder}/record.$count
[ $count -le {accepted} ] || {{ echo "sbatch: error: AssocMaxSubmitJobLimit" >&2; exit 1; }}
echo "Submitted batch job $((100 + count))"
"""


def config(**changed: Any) -> Slurm.Config:
    found = parse({"_target_": TARGET, **SETTINGS, **changed}, "hydra.launcher")
    assert isinstance(found, Slurm.Config)
    return found


def runs(root: Path, count: int) -> list[SweepRun]:
    made = [
        SweepRun(f"run{n}", str(root / "exp" / f"run{n}"), f"s{n}", 100, "agent steps", [f"seed={n}"])
        for n in range(count)
    ]
    for run in made:
        Path(run.directory).mkdir(parents=True)
    return made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Slurm's commands; they know no limits until a test says so."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    say(folder, "scontrol", "MaxArraySize            = 1001")
    say(folder, "srun", "")
    say(folder, "sacctmgr", "", code=1)
    say(folder, "squeue", "")
    return folder


def say(folder: Path, command: str, text: str, code: int = 0) -> None:
    (folder / command).write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    (folder / command).chmod(0o755)


def accept(folder: Path, sweep: Sweep, accepted: int = 1000) -> None:
    (folder / "sbatch").write_text(
        SBATCH.format(folder=folder, record=shlex.quote(str(sweep.folder)), accepted=accepted)
    )
    (folder / "sbatch").chmod(0o755)


def begun(root: Path, count: int, settings: Slurm.Config) -> Sweep:
    return Sweep.begin(["-m", "seed=range(9)"], {"commit": "c", "dirty": False}, vars(settings), runs(root, count))


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("default", {}),
        (
            "packed",
            {
                "partition": "gpu",
                "account": "lab",
                "qos": "long",
                "constraint": "a100",
                "mem_gb": 40,
                "runs_per_gpu": 4,
                "setup": ["module load cuda"],
                "sbatch": {"mail-type": "FAIL"},
            },
        ),
        ("shards", {"gpus": 0, "shards": 2, "requeue": False, "time": 60}),
    ],
)
def test_the_file_for_sbatch_says_what_was_set(name: str, changed: dict[str, Any]) -> None:
    text = Slurm(config(**changed)).sbatch_text("fig1", Path("/runs/fig1/sweeps/x"), jobs=3)
    found = "".join(line + "\n" for line in text.splitlines() if not line.startswith("srun") or "submitit" not in line)
    assert found == (GOLDEN / f"{name}.txt").read_text()


def test_settings_that_cannot_work_are_refused() -> None:
    for changed, message in (
        ({"time": 1}, "signal_seconds must lie between 15 and the 60 s of time"),
        ({"gpus": 1, "shards": 1}, "shards are parts of a GPU"),
        ({"runs_per_gpu": 0}, "runs_per_gpu must be ≥ 1, got 0"),
        ({"partion": "x"}, "partition"),
    ):
        with pytest.raises(ConfigError, match=message):
            config(**changed)


def test_runs_fill_jobs_and_if_few_jobs_are_allowed_wait_in_them(tmp_path: Path) -> None:
    asked, slurm = runs(tmp_path, 7), Slurm(config(runs_per_gpu=2))
    assert [len(pack) for pack in slurm.packs(asked, None)] == [2, 2, 2, 1]
    assert [len(pack) for pack in slurm.packs(asked, 4)] == [2, 2, 2, 1]
    few = slurm.packs(asked, 3)
    assert [len(pack) for pack in few] == [3, 2, 2]
    assert sorted(run.run_id for pack in few for run in pack) == [run.run_id for run in asked]


def test_arrays_stay_below_the_sites_size_and_each_is_recorded_before_the_next(tmp_path: Path, site: Path) -> None:
    say(site, "scontrol", "MaxArraySize            = 3")
    settings = config(runs_per_gpu=2)
    sweep = begun(tmp_path, 9, settings)
    accept(site, sweep)
    lines = list(Slurm(settings).submit(sweep))
    assert lines == ["6 runs in 3 jobs: 101", "3 runs in 2 jobs: 102"]
    assert [("#SBATCH --array=0-2%3" in (site / f"sbatch.{n}").read_text()) for n in (1, 2)] == [True, False]
    before = [json.loads((site / f"record.{n}").read_text())["jobs"] for n in (1, 2)]
    assert before == [{}, {"101_0": ["run0", "run1"], "101_1": ["run2", "run3"], "101_2": ["run4", "run5"]}]
    (found,) = sweeps_below([tmp_path])
    assert found == sweep
    assert jobs_of([found])[tmp_path / "exp" / "run8"] == "102_1"
    assert {status.read(Path(run.directory)).state for run in sweep.runs} == {State.PENDING}  # type: ignore[union-attr]


def test_the_jobs_hold_the_runs_and_what_they_need_to_know(tmp_path: Path, site: Path) -> None:
    settings = config(runs_per_gpu=3, gpus=2, cpus_per_run=4, max_crashes=5)
    sweep = begun(tmp_path, 2, settings)
    pack = Slurm(settings)._pack(sweep.runs)
    assert isinstance(pack, Pack)
    assert [str(job.directory) for job in pack.jobs] == [run.directory for run in sweep.runs]
    assert (pack.settings.at_once, pack.settings.gpus, pack.settings.threads_per_run) == (6, 2, 4)
    assert (pack.settings.max_crashes, pack.settings.grace_seconds) == (5, 85)


def test_neither_the_job_nor_the_record_of_a_sweep_holds_the_key_of_wandb(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "0123456789abcdef" * 2 + "01234567"
    monkeypatch.setenv("WANDB_API_KEY", key)
    settings = config(snapshot=True)
    sweep = begun(tmp_path, 2, settings)
    accept(site, sweep)
    assert len(list(Slurm(settings).submit(sweep))) == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {site / "sbatch.1", *sweep.folder.glob("*.json")} < set(files)
    assert [path for path in files if key.encode() in path.read_bytes()] == []


def test_the_submit_limit_of_the_association_is_kept(tmp_path: Path, site: Path) -> None:
    say(site, "sacctmgr", "lab||5")
    say(site, "squeue", "77\n78_0\n78_1")
    sweep = begun(tmp_path, 6, config())
    accept(site, sweep)
    assert list(Slurm(config()).submit(sweep)) == ["6 runs in 2 jobs: 101"]
    assert sweep.jobs == {"101_0": ["run0", "run2", "run4"], "101_1": ["run1", "run3", "run5"]}
    say(site, "squeue", "1\n2\n3\n4\n5")
    with pytest.raises(ConfigError, match="takes no more jobs"):
        list(Slurm(config()).submit(replace(sweep, jobs={})))


def test_what_slurm_took_before_it_refused_is_recorded(tmp_path: Path, site: Path) -> None:
    say(site, "scontrol", "MaxArraySize            = 2")
    sweep = begun(tmp_path, 5, config())
    accept(site, sweep, accepted=1)
    with pytest.raises(SubmissionRefused, match=r"AssocMaxSubmitJobLimit(.|\n)*3 of 5 runs have no job"):
        list(Slurm(config()).submit(sweep))
    (found,) = sweeps_below([tmp_path])
    assert found.jobs == {"101_0": ["run0"], "101_1": ["run1"]}


def test_a_snapshot_is_what_the_jobs_import(tmp_path: Path, site: Path) -> None:
    settings = config(snapshot=True)
    sweep = begun(tmp_path, 1, settings)
    accept(site, sweep)
    list(Slurm(settings).submit(sweep))
    assert sweep.snapshot is not None
    assert (Path(sweep.snapshot) / "redo_lab" / "plan.py").read_text() == (
        CONF.parent / "redo_lab" / "plan.py"
    ).read_text()
    assert f"export PYTHONPATH={sweep.snapshot}${{PYTHONPATH:+:$PYTHONPATH}}" in (site / "sbatch.1").read_text()


def test_a_job_reads_its_paths_as_they_are_and_runs_nothing_that_they_say(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(snapshot=True)
    sweep = begun(tmp_path / "a b $(touch run) `touch too`; touch three", 1, settings)
    accept(site, sweep)
    list(Slurm(settings).submit(sweep))
    (site / "srun").write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$PYTHONPATH"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run(["bash", str(site / "sbatch.1")], capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()
    folder = str(sweep.folder / sweep.id)
    assert words[-7:] == [sys.executable, "-P", "-u", "-m", "submitit.core._submit", folder, f"{folder}/code"]
    assert words[2] == f"{folder}/%j_%t_log.out"
    assert sorted(path.name for path in tmp_path.iterdir()) == [sweep.folder.parent.parent.name, "bin"]


@pytest.mark.parametrize("letter", list("'\"\\%"))
def test_a_path_that_slurm_itself_would_misread_is_refused_before_anything_is_written(
    tmp_path: Path, site: Path, letter: str
) -> None:
    sweep = begun(tmp_path / f"a{letter}b", 1, config())
    with pytest.raises(ConfigError, match="Slurm can't have"):
        list(Slurm(config()).submit(sweep))
    assert not sweep.folder.exists()


@pytest.mark.parametrize(
    "changed",
    [{"partition": "gpu\n#SBATCH --uid=0"}, {"sbatch": {"mail-type": "a\nrm"}}, {"sbatch": {"wrap\nrm": 1}}],
    ids=["partition", "value", "option"],
)
def test_a_setting_starts_no_line_of_its_own(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"control characters|is no option of sbatch"):
        config(**changed)


def test_a_run_that_somebody_works_on_keeps_its_status(tmp_path: Path, site: Path) -> None:
    sweep = begun(tmp_path, 2, config())
    directory = Path(sweep.runs[0].directory)
    working = replace(status.blank(100, "agent steps"), state=State.RUNNING, done=40)
    status.write(directory, working)
    acquire(directory, stale_seconds=1)
    accept(site, sweep)
    list(Slurm(config()).submit(sweep))
    assert status.read(directory) == working


def test_resubmitting_uses_the_settings_of_before(
    tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = begun(tmp_path, 3, config(partition="gpu", runs_per_gpu=2))
    accept(site, first)
    again = resubmit(first.runs[1:], {**first.settings, "dry_run": False})
    assert again.jobs == {"101": ["run1", "run2"]}
    assert "#SBATCH --partition=gpu" in (site / "sbatch.1").read_text()
    assert capsys.readouterr().out == "2 runs in 1 job: 101\n"


def test_a_record_of_before_other_studies_is_read_too(tmp_path: Path) -> None:
    sweep = begun(tmp_path, 2, config())
    sweep.jobs = {"7_0": ["run0"]}
    sweep.write()
    old = json.loads(sweep.path.read_text())
    for run in old["runs"]:
        run["env_steps"] = run.pop("total")
        del run["unit"]
    sweep.path.write_text(json.dumps({**old, "mood": "good"}))
    assert sweeps_below([tmp_path]) == [sweep]


@pytest.mark.parametrize(
    "damage",
    [
        {"runs": []},
        {"runs": [{"run_id": 3}]},
        {"created": "today"},
        {"jobs": {"--user=root": ["run0"]}},
        {"jobs": {"7": ["other"]}},
        {"jobs": []},
    ],
)
def test_a_damaged_record_is_passed_over_by_name(
    tmp_path: Path, damage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = begun(tmp_path / "good", 1, config()), begun(tmp_path / "bad", 1, config())
    good.write()
    bad.write()
    bad.path.write_text(json.dumps({**json.loads(bad.path.read_text()), **damage}))
    assert sweeps_below([tmp_path]) == [good]
    (line,) = caplog.messages
    assert line.startswith(f"{bad.path} is not the record of a sweep: ")


def dry(*words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "redo_lab.cli", "train", "-m", "hydra/launcher=slurm", *words]
    done = subprocess.run([*command, "dry_run=true"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_login_node_needs_neither_the_memory_nor_the_gpu(tmp_path: Path, site: Path) -> None:
    code, said = dry(f"root={tmp_path / 'runs'}", "env=minatar/breakout", "device=cuda", "replay.capacity=10000000000")
    assert code == 0, said
    assert "1 runs in 1 jobs" in said or "1 run in 1 job" in said
    assert not (tmp_path / "runs").exists()


def test_replays_that_do_not_fit_the_memory_of_their_job_are_refused(tmp_path: Path, site: Path) -> None:
    words = ["env=atari/pong", "seed=0,1", "scale=paper", "hydra.launcher.mem_gb=12", "hydra.launcher.runs_per_gpu=2"]
    code, said = dry(f"root={tmp_path / 'runs'}", *words)
    assert code == 2
    assert "2 runs go at once in a job: mem_gb=" in said


@pytest.mark.parametrize("verb", [["train", "-m"], ["sweep", "demo_grid"]])
def test_a_refusal_of_slurm_is_told_by_the_verb_that_submitted(
    tmp_path: Path, site: Path, capfd: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    say(site, "sbatch", "", code=1)
    words = ["hydra/launcher=slurm", "env=minatar/breakout", "scale=smoke", "seed=0", f"root={tmp_path / 'runs'}"]
    assert main([*verb, *words]) == EXIT_REFUSED
    assert f"redo-lab {verb[0]}: sbatch refused" in capfd.readouterr().err


def test_a_job_gets_the_users_own_conf_folders_before_its_own_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDO_LAB_CONF", "/home/me/my conf:/other")
    parameters = Slurm(config(setup=["module load cuda"])).parameters("exp")
    assert parameters["setup"] == ["export REDO_LAB_CONF='/home/me/my conf:/other'", "module load cuda"]
    monkeypatch.delenv("REDO_LAB_CONF")
    assert "setup" not in Slurm(config()).parameters("exp")
