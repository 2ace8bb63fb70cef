"""Seconds of one core that a step and an update of each kind of run in the paper take: redo_lab/launch/rates.json.

python -m scripts.paper_rates [KIND …]   measures all kinds, or those named; half an hour

A process's own CPU time is counted, with one torch thread, so that other work on the machine falsifies little. Training
alone: no evaluation, probe or intervention; a step's choice of action counts as greedy, which most are. A kind is
measured by a short run at the paper's sizes with a small replay. Figures 4 and 8 learn from the replay of such a run,
which is trained before.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from redo_lab.commands.export_replay import main as export_replay
from redo_lab.commands.train import main as train
from redo_lab.config import ConfigError
from redo_lab.launch.rates import FILE
from redo_lab.paths import shipped
from redo_lab.plan import CheckedRun
from redo_lab.protocols import Journal, Study
from redo_lab.runs.atomic import write_text
from redo_lab.runs.identity import code_version
from redo_lab.seeding import Seeds
from redo_lab.studies.loop import Loop
from redo_lab.types import Counters
from scripts.composing import composed, hydra_open
from scripts.paper_runs import IDS, Composition, Runs, composition

WARMUP_STEPS = 400
MEASURED_UPDATES = 60
CHOICES = 100
STAND_INS = {"data=cifar10": "data=digits"}
"""Images of the same size that need no download."""
OTHERS = (
    ["env=minatar/breakout"],
    ["env=classic/cartpole"],
    ["env=minatar/breakout", "agent=dqn_nstep3"],
    ["agent=sac_upstream", "env=mujoco/ant"],
    ["study=supervised"],
)
"""Kinds that are in no figure of the paper."""
MOST_SECONDS = 60.0
"""Of CPU time for one kind, at least two updates."""
ALONE = ["recycler=none", "regulariser=none", "probe=none", "training.log_period_updates=1000000"]
SHORT = [
    f"agent.warmup_env_steps={WARMUP_STEPS}",
    "replay.capacity=5000",
    "training.iterations=1",
]
LONG_ENOUGH = "training.iteration_env_steps=100000"
TRAINED = [
    "env=atari/demon_attack",
    "training.iteration_env_steps=2000",
    "shared.evaluation_env_steps=100",
    "checkpoint.final_replay=true",
    "logger=none",
    "threads=1",
]
"""Of the run that studies learn from: seconds, at the paper's sizes."""


class Silent(Journal):
    """Keeps nothing."""

    @property
    def latest(self) -> Mapping[str, float]:
        return {}

    def add(self, counters: Counters, values: Mapping[str, torch.Tensor | float]) -> None:
        """Forgotten."""

    def give_up(self, reason: str) -> None:
        raise RuntimeError(reason)


def main() -> int:
    """Measures and writes FILE after each kind."""
    torch.set_num_threads(1)
    with hydra_open():
        kinds = {one.kind: one for one in (composition(words) for words in OTHERS)}
    runs = Runs()
    for name in IDS if not set(sys.argv[1:]) <= set(kinds) or not sys.argv[1:] else ():
        if (shipped("sweeps") / f"{name}.yaml").exists():
            runs.of(name)
    kinds |= {one.kind: one for one in reversed(runs.compositions.values())}
    with tempfile.TemporaryDirectory() as folder:
        for kind in sys.argv[1:] or sorted(kinds):
            try:
                rates = measured(kinds[kind], Path(folder))
            except (ConfigError, KeyError) as error:
                print(f"{kind}: not measured: {error}", flush=True)
                continue
            print(f"{kind}: {rates}", flush=True)
            content = json.loads(FILE.read_text()) if FILE.exists() else {}
            content[kind] = {**rates, "processor": _processor(), "commit": code_version()["commit"]}
            write_text(FILE, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return 0


def learned_from(study: str, folder: Path) -> list[str]:
    """The words that give `study` what it learns from, in `folder`: a run of a few updates, or its replay."""
    if study not in ("offline", "distill"):
        return []
    if not (folder / "data").exists():
        assert train([*TRAINED, *ALONE, *SHORT, f"root={folder}"]) == 0
        assert export_replay(["demon", "--root", str(folder), "-o", str(folder / "data")]) == 0
    (run,) = (path.parent for path in folder.rglob("run.json"))
    return [f"data.folder={folder / 'data'}"] if study == "offline" else [f"teacher.folder={run}"]


def measured(kind: Composition, folder: Path) -> dict[str, float]:
    """CPU seconds of a step without update and of an update. folder: for what it learns from."""
    axes = (
        "recycler",
        "regulariser",
        "probe",
        "training.",
        "recyclers.",
        "regularisers.",
        "probes.",
        "shared.",
        "root=",
    )
    short = [*SHORT, LONG_ENOUGH] if any(word.startswith("env=") for word in kind.words) else []
    words = [STAND_INS.get(word, word) for word in kind.words if not word.startswith((*axes, "scale="))]
    words += learned_from(kind.kind.partition(" ")[0], folder)
    with hydra_open():
        _, plain, _ = composed([*words, *ALONE, *short])
    study = CheckedRun.of(plain).study.start(Seeds(0), torch.device("cpu"), Silent())
    begin = time.process_time()
    warm: tuple[float, int] = (begin, 0)
    first: tuple[float, int, int] | None = None
    for _ in study.steps():
        clocks, now = study.clocks(), time.process_time()
        if clocks.updates == 0:
            warm = (now, clocks.env_steps)
        elif first is None:
            # The first updates allocate; they don't count.
            first = (now, clocks.env_steps, clocks.updates) if clocks.updates >= 2 else None
        elif clocks.updates - first[2] >= MEASURED_UPDATES or now - begin > MOST_SECONDS:
            break
    assert first is not None
    per_step = (warm[0] - begin) / warm[1] if warm[1] else 0.0
    spent = now - first[0] - per_step * (clocks.env_steps - first[1]) * bool(short)
    return {
        "seconds_per_step": round(per_step + _seconds_of_a_choice(study), 7),
        "seconds_per_update": round(spent / (clocks.updates - first[2]), 7),
    }


def _seconds_of_a_choice(study: Study) -> float:
    """Of a greedy action, where the study acts: just after the warm-up most of its own are random, later few are."""
    if not isinstance(study, Loop) or study.obs is None:
        return 0.0
    begin = time.process_time()
    for _ in range(CHOICES):
        study.agent.greedy(study.obs)
    return (time.process_time() - begin) / CHOICES


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
