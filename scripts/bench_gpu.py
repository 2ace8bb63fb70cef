"""Speed of training on a GPU: updates and agent steps a second, eager, compiled and as one graph, 1 to 8 runs on it.

DQN (Nature), DQN on the IMPALA network and DrQ(ε) on Breakout, SAC on HalfCheetah, all at replay ratio 1 with the
frames on the GPU. Every run is a process of its own; those of one leg are warm before any is timed, and are timed
together. With MPS the same again, where `nvidia-cuda-mps-control` is there. Ends with how many runs to put on this GPU,
which `hydra.launcher.runs_per_gpu=auto` reads from the user's cache.

    python -m scripts.bench_gpu [--seconds 10] [--workloads dqn sac] [--modes off graph] [--most 8] [--device cuda]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from redo_lab.attempt.execute import set_up_torch
from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.launch import gpus
from redo_lab.plan import CheckedRun
from redo_lab.seeding import Seeds
from scripts import composing

WORKLOADS = {
    "dqn": ("agent=dqn", "env=atari/breakout"),
    "impala": ("agent=dqn", "env=atari/breakout", "network=impala"),
    "drq_eps": ("agent=drq_eps", "env=atari_100k/breakout"),
    "sac": ("agent=sac", "env=mujoco/halfcheetah"),
}
COMMON = ("replay_ratio=1", "probe=none", "logger=none", "threads=1", "replay.device=auto")
MODES = ("off", "default", "graph")
WARM_ENV_STEPS = 1000
WARM_UPDATES = 20
MIB = 2**20


@dataclass(frozen=True)
class Rates:
    """Of one run: whole steps of training, updates alone on batches of its replay, and the memory that it took."""

    env_steps_per_s: float
    updates_per_s: float
    memory_mib: float


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    if arguments.run:
        return run(arguments)
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        print("bench-gpu: skipped: torch finds no CUDA device here")
        return 0
    on_gpu = arguments.device.startswith("cuda")
    name = torch.cuda.get_device_name() if on_gpu else "this CPU"
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}, {os.cpu_count()} cores", flush=True)
    for workload in arguments.workloads:
        best = modes(workload, arguments)
        packed = {"": packing(workload, best, arguments)}
        if on_gpu and shutil.which("nvidia-cuda-mps-control"):
            with mps():
                packed[" with MPS"] = packing(workload, best, arguments)
        elif on_gpu:
            print("  MPS: nvidia-cuda-mps-control isn't here")
        number = gpus.recommended(packed[""])
        for how, rates in packed.items():
            print(f"  recommended{how}: {gpus.recommended(rates)} run(s) of {workload} to a GPU", flush=True)
        if on_gpu:
            gpus.record(name, workload, number)
    if on_gpu:
        print(f"written to {gpus.table_path()}: hydra.launcher.runs_per_gpu=auto goes by it, without MPS")
    return 0


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each timing")
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES, help="of agent.compile")
    parser.add_argument("--most", type=int, default=8, help="runs side by side; 1, 2, 4 … are tried")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further settings of every run")
    parser.add_argument("--run", nargs=2, metavar=("WORKLOAD", "MODE"), help=argparse.SUPPRESS)
    return parser.parse_args(words)


def modes(workload: str, arguments: argparse.Namespace) -> str:
    """One run of each mode is timed and printed; returns the mode of the most agent steps a second."""
    print(f"{workload}, replay ratio 1, one run")
    speed: dict[str, float] = {}
    for mode in arguments.modes:
        if mode == "graph" and not arguments.device.startswith("cuda"):
            print("  graph    needs a CUDA device")
            continue
        (rates,) = together(workload, mode, 1, arguments)
        speed[mode] = rates.env_steps_per_s
        print(
            f"  {mode:<8} {rates.updates_per_s:8.1f} updates/s alone  {rates.env_steps_per_s:8.1f} agent steps/s  "
            f"{rates.memory_mib:6.0f} MiB",
            flush=True,
        )
    return max(speed, key=lambda mode: speed[mode])


def packing(workload: str, mode: str, arguments: argparse.Namespace) -> dict[int, float]:
    """Runs side by side → agent steps a second of all together, printed too; a number that fails ends the row."""
    rates: dict[int, float] = {}
    runs = 1
    while runs <= arguments.most:
        try:
            each = together(workload, mode, runs, arguments)
        except RuntimeError as error:
            print(f"  {runs} runs of {mode}: {error}")
            break
        rates[runs] = sum(one.env_steps_per_s for one in each)
        memory = max(one.memory_mib for one in each)
        print(
            f"  {runs} run(s) of {mode}: {rates[runs]:8.1f} agent steps/s together, {memory:.0f} MiB each", flush=True
        )
        runs *= 2
    return rates


def together(workload: str, mode: str, count: int, arguments: argparse.Namespace) -> list[Rates]:
    """`count` runs, each a process, warm before any is timed; RuntimeError with the last line of one that fails."""
    command = [sys.executable, "-m", "scripts.bench_gpu", "--run", workload, mode, "--device", arguments.device]
    command += ["--seconds", str(arguments.seconds), "--set", *arguments.set]
    with tempfile.TemporaryFile("w+") as errors:
        started = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
            for _ in range(count)
        ]
        try:
            ready = [_line(process) == "ready" for process in started]
            for process in started if all(ready) else ():
                _say(process, "go")
            found = [json.loads(line) for process in started if all(ready) and (line := _line(process))]
        finally:
            for process in started:
                process.kill()
                process.wait()
        errors.seek(0)
        said = errors.read().strip().splitlines()
    if len(found) < count:
        raise RuntimeError(said[-1] if said else "a run ended before it was timed")
    return [Rates(**each) for each in found]


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _say(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def run(arguments: argparse.Namespace) -> int:
    """One run: says when it is warm, waits for a word, is timed, and prints its rates as JSON."""
    loop = warm(*arguments.run, arguments.device, arguments.set)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(timed(loop, arguments.seconds))), flush=True)
    return 0


def warm(workload: str, mode: str, device: str, settings: Sequence[str] = ()) -> Any:
    """The loop of a run that has made some updates: everything is compiled, recorded and allocated."""
    lengths = [f"agent.warmup_env_steps={WARM_ENV_STEPS}", "training.iterations=1", "replay.capacity=100000"]
    lengths += ["training.iteration_env_steps=100000000", "agent.update_period_env_steps=1"]
    words = [*WORKLOADS[workload], *COMMON, *lengths, f"device={device}", f"agent.compile={mode}", *settings]
    with composing.hydra_open():
        checked = CheckedRun.of(composing.composed(words).plain)
    set_up_torch(1)
    loop: Any = checked.study.start(Seeds(0), torch.device(device), MetricsLog([]))
    loop.stepping = loop.steps()
    while loop.counters.updates < WARM_UPDATES:
        next(loop.stepping)
    return loop


def timed(loop: Any, seconds: float) -> Rates:
    """Its rates over `seconds` of whole steps, and as many of updates alone."""

    def update() -> None:
        loop.agent.update(loop.sample(loop.agent.batch_size), loop.aftercare.hooks)

    device = loop.agent.device
    env_steps = _per_second(lambda: next(loop.stepping), seconds, device)
    updates = _per_second(update, seconds, device)
    if device.type == "cuda":
        return Rates(env_steps, updates, torch.cuda.max_memory_reserved(device) / MIB)
    return Rates(env_steps, updates, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _per_second(act: Any, seconds: float, device: torch.device) -> float:
    _wait(device)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        act()
        count += 1
    _wait(device)
    return count / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def mps() -> Iterator[None]:
    """Within it the processes that are started share the GPU through a server of our own, in a folder of its own."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        for variable in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"):
            os.environ[variable] = folder
        subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True)
        try:
            yield
        finally:
            subprocess.run(["nvidia-cuda-mps-control"], input="quit\n", text=True, check=False)
            os.environ.clear()
            os.environ.update(before)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    raise SystemExit(main())
