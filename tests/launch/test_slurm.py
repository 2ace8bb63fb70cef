"""Submission without a cluster: what sbatch would get, in which portions, and what is on disk at every moment."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redo_lab.commands.train import CONF
from redo_lab.config import ConfigError
from redo_lab.launch.pack import Pack
from redo_lab.launch.record import jobs_of, sweeps_below
from redo_lab.launch.slurm import Slurm, SubmissionRefused, resubmit
from redo_lab.runs import status
from redo_lab.runs.lease import acquire
from redo_lab.runs.status import State
from tests.helpers.submitting import accept, begun, config, runs, say

GOLDEN = Path(__file__).parent.parent / "golden" / "sbatch"


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


def test_a_job_gets_the_users_own_conf_folders_before_its_own_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDO_LAB_CONF", "/home/me/my conf:/other")
    parameters = Slurm(config(setup=["module load cuda"])).parameters("exp")
    assert parameters["setup"] == ["export REDO_LAB_CONF='/home/me/my conf:/other'", "module load cuda"]
    monkeypatch.delenv("REDO_LAB_CONF")
    assert "setup" not in Slurm(config()).parameters("exp")
