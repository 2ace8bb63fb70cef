"""Training speed: whole loops against Stable-Baselines3's, interleaved; how near an update comes to the matmul peak;
what features cost; two runs side by side against one. A ratio is printed only if the machine was quiet.

    python -m scripts.bench_loop [--rounds 3] [--threads N] [--only WORKLOAD …]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

from scripts.bench_legs import WORKLOADS, Timing
from scripts.machine import QUIET, Stretch

OURS, PEER, FEATURES = "redo_lab", "stable_baselines3", "features"
FEATURED = "dqn_atari_rr1"
"""The workload that is also run as `redo-lab train` does it, and twice side by side."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS), metavar="WORKLOAD")
    arguments = parser.parse_args()
    medians = {}
    for name in arguments.only:
        medians[name] = compare(name, arguments.rounds, arguments.threads)
    if {"drq_atari_rr1", "dqn_atari_rr1"} <= medians.keys():
        share = medians["drq_atari_rr1"] / medians["dqn_atari_rr1"]
        print(f"DrQ(ε) makes {share:.2f} times the updates a second of DQN at replay ratio 1")
    if FEATURED in arguments.only and arguments.threads > 1:
        side_by_side(arguments.rounds, arguments.threads)
    return 0


def compare(name: str, rounds: int, threads: int) -> float:
    """Prints the medians of all codes of one workload and their ratios, round by round; our median of updates/s."""
    codes = [OURS, *([PEER] if WORKLOADS[name].peer else []), *([FEATURES] if name == FEATURED else [])]
    timings: dict[str, list[Timing]] = {code: [] for code in codes}
    stretch = Stretch.begin()
    for _ in range(rounds):
        for code in codes:
            timings[code] += legs([(name, code, threads)])
    others = stretch.others()
    print(f"{name}: {threads} torch thread(s), {rounds} interleaved rounds")
    for code, each in timings.items():
        print(f"  {code:<18} {spread([t.env_steps_per_s for t in each]):>24} agent steps/s")
        if code != FEATURES:
            by_cpu = spread([t.updates_per_s / t.cpu for t in each])
            print(f"  {'':<18} {by_cpu:>24} updates a processor second")
    _print_alone(timings[OURS])
    for code in codes[1:]:
        rates = [(a.env_steps_per_s, b.env_steps_per_s) for a, b in zip(timings[OURS], timings[code], strict=True)]
        _print_ratio(f"{OURS} / {code}", [ours / other for ours, other in rates], others)
    return statistics.median(t.updates_per_s for t in timings[OURS])


def side_by_side(rounds: int, threads: int) -> None:
    """Prints what `threads` single-thread runs at once make together, against one run with that many threads."""
    ratios = []
    stretch = Stretch.begin()
    for _ in range(rounds):
        (one,) = legs([(FEATURED, OURS, threads)])
        several = legs([(FEATURED, OURS, 1)] * threads)
        ratios.append(sum(timing.updates_per_s for timing in several) / one.updates_per_s)
    print(f"{FEATURED}: {threads} runs of one thread, side by side")
    _print_ratio(f"their updates/s together / one run of {threads} threads", ratios, stretch.others())


def legs(words: Sequence[tuple[str, str, int]]) -> list[Timing]:
    """Those (workload, code, threads), all at once, each in a process of its own."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "scripts.bench_legs", name, code, "--threads", str(threads)],
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, code, threads in words
    ]
    timings = []
    for process in processes:
        output, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(map(str, process.args))}\n{errors}")
        timings.append(Timing(**json.loads(output.splitlines()[-1])))
    return timings


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} – {max(values):.1f})"


def _print_alone(timings: Sequence[Timing]) -> None:
    milliseconds = statistics.median(t.alone_ms or 0.0 for t in timings)
    print(f"  an update alone: {milliseconds:.2f} ms, {timings[0].gflop:.2f} GFLOP")
    for name, whose in (("torch.mm", "mm_gflops"), ("the fastest product", "peak_gflops")):
        peaks = [getattr(timing, whose) for timing in timings]
        shares = [t.gflop / t.alone_ms * 1e3 / peak for t, peak in zip(timings, peaks, strict=True)]  # type: ignore[operator]
        share = f"{statistics.median(shares):.0%} ({min(shares):.0%} – {max(shares):.0%})"
        print(f"    {share} of the peak of {name}, {statistics.median(peaks):.0f} GFLOP/s")


def _print_ratio(what: str, ratios: Sequence[float], others: float) -> None:
    if others > QUIET:
        print(f"  {what}: not told, as other processes took {others:.0%} of the processors (at most {QUIET:.0%})")
    else:
        print(f"  {what}: {statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})")


if __name__ == "__main__":
    raise SystemExit(main())
