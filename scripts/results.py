"""Results at a scale that this machine finishes: docs/results/plan.yaml's sweeps, then a figure and a CSV of each id.

python -m scripts.results [--root results] [--processes 1] [--background]   trains what is missing, then draws
python -m scripts.results --draw [--root results]                           draws what there is
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from omegaconf import OmegaConf

from hydra_plugins.redo_lab_sweeper.grid import values
from redo_lab.launch.sweep_file import SweepFile, key_of
from redo_lab.paths import shipped

CHECKOUT = Path(__file__).parent.parent
PLAN = CHECKOUT / "docs" / "results" / "plan.yaml"
EXIT_STOPPED = (130, 143)
NICENESS = 15


@dataclass(frozen=True)
class Plan:
    """docs/results/plan.yaml. words: of every sweep; sweeps: the words after `redo-lab sweep` of each."""

    words: list[str]
    seeds: list[int]
    sweeps: list[list[str]]

    @classmethod
    def read(cls, path: Path) -> Plan:
        """ValueError says what is wrong with the file."""
        content: Any = OmegaConf.to_container(OmegaConf.load(path))
        if not isinstance(content, dict) or set(content) != {"words", "seeds", "sweeps"}:
            raise ValueError(f"{path}: a plan has the keys words, seeds, sweeps")
        sweeps = [shlex.split(str(line)) for line in content["sweeps"]]
        for name, *_ in sweeps:
            if not _file(name).is_file():
                raise ValueError(f"{path}: there is no sweep '{name}'")
        return cls([str(word) for word in content["words"]], [int(seed) for seed in content["seeds"]], sweeps)

    @property
    def scale(self) -> str:
        """That of its words."""
        scales = [word.partition("=")[2] for word in self.words if key_of(word) == "scale"]
        return scales[-1] if scales else "paper"

    def commands(self) -> Iterator[list[str]]:
        """What follows `redo-lab` each time: all sweeps for the first seed, then for the next."""
        for seed in self.seeds:
            for name, *words in self.sweeps:
                if f"seed={seed}" in seeds_of(name, [*words, *self.words]):
                    yield ["sweep", name, *words, *self.words, f"seed={seed}"]


def seeds_of(name: str, words: Sequence[str]) -> set[str]:
    """The words `seed=…` of a sweep's jobs."""
    return {word for job in SweepFile.read(_file(name)).jobs(words, values) for word in job if key_of(word) == "seed"}


def main(argv: Sequence[str] | None = None) -> int:
    """0; 1 if a sweep or a figure failed, the others were done; 130 or 143 if it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("results"), help="where the runs are (default: results)")
    parser.add_argument("--processes", type=int, default=1, help="runs at once, a thread each (default: 1)")
    parser.add_argument("--background", action="store_true", help="return at once; what it says goes to ROOT.log")
    parser.add_argument("--draw", action="store_true", help="train nothing")
    parser.add_argument("--plan", type=Path, default=PLAN, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=PLAN.parent, help="where figures and CSVs go (docs/results)")
    arguments = parser.parse_args(argv)
    try:
        plan = Plan.read(arguments.plan)
    except ValueError as error:
        parser.error(str(error))
    if arguments.background:
        return background(arguments)
    os.nice(NICENESS)
    code = 0 if arguments.draw else train(plan, arguments.root.absolute(), arguments.processes)
    if code in EXIT_STOPPED:
        return code
    from scripts.results_drawing import draw_all

    return draw_all(plan, arguments.root.absolute(), arguments.output) or code


def train(plan: Plan, root: Path, processes: int) -> int:
    """Every sweep has been done as far as it could; the code to end with."""
    failed = 0
    place = [f"root={root}", f"hydra.launcher.runs_at_once={processes}", "hydra.launcher.threads_per_run=1"]
    for command in plan.commands():
        print(f"redo-lab {shlex.join(command)}", flush=True)
        code = run([*command, *place])
        if code in EXIT_STOPPED or code < 0:
            return code if code > 0 else EXIT_STOPPED[1]
        failed |= code != 0
    return failed


def run(words: Sequence[str]) -> int:
    """The exit code of `redo-lab words`; SIGTERM to us stops it cleanly, as Ctrl-C does."""
    child = subprocess.Popen([sys.executable, "-m", "redo_lab.cli", *words], env=environment())

    def stop(number: int, frame: FrameType | None) -> None:
        child.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def background(arguments: argparse.Namespace) -> int:
    """The same command goes on by itself; how to look at it and stop it is printed."""
    log = Path(f"{arguments.root}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    words = ["--root", str(arguments.root), "--processes", str(arguments.processes), "--plan", str(arguments.plan)]
    words += ["--output", str(arguments.output), *(["--draw"] if arguments.draw else [])]
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "scripts.results", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
            start_new_session=True,
        )
    print(f"started; it writes to {log}. How it goes: redo-lab status {arguments.root}. Stop it: kill {child.pid}")
    return 0


def environment() -> dict[str, str]:
    """This process's, with the checkout's code first and one thread a process."""
    path = os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def _file(name: str) -> Path:
    return shipped("sweeps") / f"{name}.yaml"


if __name__ == "__main__":
    sys.exit(main())
