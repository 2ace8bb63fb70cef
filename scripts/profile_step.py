"""Where a training step's time goes: the loop's parts and an update's operators, in the workloads of `make bench`.

python -m scripts.profile_step [--threads 1] [--only WORKLOAD …]
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from scripts.bench_legs import WORKLOADS, Workload, checked

KINDS = {
    "matmul": ("mm", "addmv", "linear", "dot"),
    "convolution": ("conv", "mkldnn"),
    "Adam": ("adam",),
}
"""Kind of an operator → what its name holds; the rest is `other operators`."""
UPDATES = 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS), metavar="WORKLOAD")
    arguments = parser.parse_args()
    for name in arguments.only:
        show(name, WORKLOADS[name], arguments.threads)
    return 0


def show(name: str, workload: Workload, threads: int) -> None:
    """Prints milliseconds a step by part, then milliseconds an update by kind of operator."""
    import torch

    from redo_lab.attempt.metrics_log import MetricsLog
    from redo_lab.seeding import Seeds

    study: Any = checked(workload, threads).study.start(Seeds(0), torch.device("cpu"), MetricsLog([]))
    steps = study.steps()
    for _ in range(workload.warmup_env_steps):
        next(steps)
    parts: dict[str, float] = defaultdict(float)
    for owner, method in ((study.env, "step"), (study.agent, "act"), (study.agent, "update")):
        setattr(owner, method, _timed(getattr(owner, method), parts, method))
    study.sample = _timed(study.sample, parts, "sample")
    count = workload.timed_env_steps // 2
    begun = time.perf_counter()
    for _ in range(count):
        next(steps)
    whole = time.perf_counter() - begun
    print(f"{name}: {threads} torch thread(s), {whole / count * 1e3:.2f} ms an agent step")
    for part, seconds in [*sorted(parts.items(), key=lambda item: -item[1]), ("rest", whole - sum(parts.values()))]:
        print(f"  {part:<18} {seconds / count * 1e3:8.3f} ms  {seconds / whole:5.0%}")
    batch = study.samplers.named("training")(study.agent.batch_size)
    _show_update(lambda: study.agent.update(batch))


def _timed(call: Callable[..., Any], parts: dict[str, float], name: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return call(*arguments, **named)
        finally:
            parts[name] += time.perf_counter() - begun

    return timed


def _show_update(update: Callable[[], object]) -> None:
    """The time of operators is their own, as torch's profiler has it, so that it slows what it measures a little."""
    from torch.profiler import ProfilerActivity, profile

    update()
    begun = time.perf_counter()
    for _ in range(UPDATES):
        update()
    unprofiled = (time.perf_counter() - begun) / UPDATES * 1e3
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(UPDATES):
            update()
    kinds: dict[str, float] = defaultdict(float)
    largest: dict[str, float] = {}
    for event in profiler.key_averages():
        milliseconds = event.self_cpu_time_total / UPDATES / 1e3
        kinds[_kind(event.key)] += milliseconds
        if _kind(event.key) == "other operators":
            largest[event.key] = milliseconds
    whole = sum(kinds.values())
    print(f"  an update: {unprofiled:.2f} ms, {whole:.2f} with the profiler; of which")
    for kind, milliseconds in sorted(kinds.items(), key=lambda item: -item[1]):
        print(f"    {kind:<16} {milliseconds:8.3f} ms  {milliseconds / whole:5.0%}")
    names = sorted(largest, key=lambda key: -largest[key])[:6]
    print("    largest others: " + ", ".join(f"{key} {largest[key]:.2f}" for key in names))


def _kind(operator: str) -> str:
    fitting = (kind for kind, parts in KINDS.items() if any(part in operator.lower() for part in parts))
    return next(fitting, "other operators")


if __name__ == "__main__":
    raise SystemExit(main())
