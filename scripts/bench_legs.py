"""One leg of `make bench`: a workload trained by ours or by Stable-Baselines3, timed in a process of its own.

python -m scripts.bench_legs WORKLOAD redo_lab|stable_baselines3|features --threads N
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ALONE_SECONDS = 3.0


@dataclass(frozen=True)
class Workload:
    """What is trained; steps are agent steps. peer: the function of scripts/peer_loops.py that sets SB3's agent up."""

    words: tuple[str, ...]
    ratio: float
    warmup_env_steps: int
    timed_env_steps: int
    peer: str | None = None


ATARI = ("env=atari/breakout", "network.padding=valid", "agent.epsilon.decay_env_steps=1")
WORKLOADS = {
    "dqn_atari_rr0.25": Workload(ATARI, 0.25, 1000, 2000, "atari"),
    "dqn_atari_rr1": Workload(ATARI, 1, 1000, 600, "atari"),
    "sac_halfcheetah_rr1": Workload(("agent=sac", "env=mujoco/halfcheetah"), 1, 1000, 2000, "halfcheetah"),
    "dqn_minatar_rr1": Workload(("env=minatar/breakout", "agent.epsilon.decay_env_steps=1"), 1, 1000, 3000, "ours"),
    "drq_atari_rr1": Workload(("agent=drq_eps", "env=atari_100k/breakout", "network.padding=valid"), 1, 500, 300),
}


@dataclass(frozen=True)
class Timing:
    """Rates a second of wall time; cpu: processor seconds a second. The rest is of an update alone, ours only.

    mm_gflops: of torch.mm; peak_gflops: of the fastest product of matrices that torch has here.
    """

    env_steps_per_s: float
    updates_per_s: float
    cpu: float
    alone_ms: float | None = None
    gflop: float | None = None
    mm_gflops: float | None = None
    peak_gflops: float | None = None


def ours(workload: Workload, threads: int) -> Timing:
    """The loop, which neither evaluates, logs, probes nor saves; then updates alone on one batch."""
    import torch

    from redo_lab.attempt.metrics_log import MetricsLog
    from redo_lab.seeding import Seeds
    from redo_lab.studies.loop import Loop

    study = checked(workload, threads).study.start(Seeds(0), torch.device("cpu"), MetricsLog([]))
    assert isinstance(study, Loop)
    steps = study.steps()
    timing = timed(workload, lambda count: [next(steps) for _ in range(count)])
    agent = study.agent
    batch = study.sample(agent.batch_size)
    return Timing(*timing, *update_alone(lambda: agent.update(batch)))


def checked(workload: Workload, threads: int) -> Any:
    """The checked run of a workload, and torch set up for it."""
    from redo_lab.attempt.execute import set_up_torch
    from redo_lab.plan import CheckedRun
    from scripts.composing import composed, hydra_open

    with hydra_open():
        run = CheckedRun.of(composed(words_of(workload, threads)).plain)
    set_up_torch(run.config.threads)
    return run


def words_of(workload: Workload, threads: int) -> list[str]:
    """The command line of a workload, without features."""
    return [
        *workload.words,
        f"training.replay_ratio={workload.ratio}",
        "logger=none",
        "probe=none",
        "replay.capacity=50000",
        "training.iterations=1",
        f"training.iteration_env_steps={workload.warmup_env_steps + workload.timed_env_steps + 1}",
        f"agent.warmup_env_steps={workload.warmup_env_steps}",
        f"threads={threads}",
    ]


def timed(workload: Workload, advance: Callable[[int], object]) -> tuple[float, float, float]:
    """Agent steps, updates and processor seconds a second, after the warm-up."""
    advance(workload.warmup_env_steps)
    cpu, begun = time.process_time(), time.perf_counter()
    advance(workload.timed_env_steps)
    seconds = time.perf_counter() - begun
    rate = workload.timed_env_steps / seconds
    return rate, rate * workload.ratio, (time.process_time() - cpu) / seconds


def update_alone(update: Callable[[], object]) -> tuple[float, float, float, float]:
    """Milliseconds, GFLOP of its matmuls and convolutions, and the peaks of the machine right after it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from scripts.machine import peaks_gflops

    def of_product(left: Any, right: Any, *_: object, **__: object) -> int:
        return 2 * left[0] * left[1] * right[0]  # type: ignore[no-any-return]

    with FlopCounterMode(display=False, custom_mapping={torch.ops.mkldnn._linear_pointwise: of_product}) as counter:
        update()
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < ALONE_SECONDS:
        update()
        count += 1
    milliseconds = (time.perf_counter() - begun) / count * 1e3
    return milliseconds, counter.get_total_flops() / 1e9, *peaks_gflops()


def features(workload: Workload, threads: int) -> Timing:
    """`redo-lab train` with the usual probes, W&B offline, status and checkpoints, by its own throughput.csv."""
    from redo_lab.commands.train import main

    whole = [word for word in words_of(workload, threads) if word not in ("logger=none", "probe=none")]
    with tempfile.TemporaryDirectory() as root:
        code = main([*whole, "logger=wandb_offline", "shared.evaluation_env_steps=1", f"root={root}"])
        assert code == 0
        (path,) = Path(root).rglob("throughput.csv")
        with path.open() as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    # Not the warm-up, and not the evaluation at the end.
    end = workload.warmup_env_steps + workload.timed_env_steps
    training = [row for row in rows if workload.warmup_env_steps < row["env_steps"] <= end]
    first, last = training[0], training[-1]
    seconds = last["wall_seconds"] - first["wall_seconds"]
    rate = (last["env_steps"] - first["env_steps"]) / seconds
    return Timing(rate, rate * workload.ratio, 0.0)


def theirs(workload: Workload, threads: int) -> Timing:
    """The loop of Stable-Baselines3, which neither evaluates nor logs."""
    import torch

    from scripts import peer_loops

    torch.set_num_threads(threads)
    assert workload.peer is not None
    model = getattr(peer_loops, workload.peer)(workload.ratio, words_of(workload, threads))
    return Timing(*timed(workload, peer_loops.stepping(model)))


LEGS = {"redo_lab": ours, "stable_baselines3": theirs, "features": features}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("code", choices=list(LEGS))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps(asdict(LEGS[arguments.code](WORKLOADS[arguments.workload], arguments.threads))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
