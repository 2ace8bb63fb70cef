"""The memory of a whole run while it trains: with probes, a tracker, status and checkpoints, its replay soon full.

    python -m scripts.bench_memory [--env-steps 100000] [SETTING …]

Prints the memory that the process holds after each tenth of the run, and how much it grew in the last half.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
from pathlib import Path

SETTINGS = ("env=minatar/breakout", "replay_ratio=1", "replay.capacity=10000", "checkpoint.every_seconds=20")
EVERY_SECONDS = 0.5

Sample = tuple[int, float]
"""Agent steps, and MB of resident memory."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env-steps", type=int, default=100_000)
    parser.add_argument("settings", nargs="*", default=SETTINGS, help="of the run; default: " + " ".join(SETTINGS))
    arguments = parser.parse_args()
    samples = sampled(arguments.settings, arguments.env_steps)
    print(f"{arguments.env_steps:,} agent steps of {' '.join(arguments.settings)}")
    for tenth in range(1, 11):
        steps, megabytes = _first(samples, arguments.env_steps * tenth // 10)
        print(f"  after {steps:>9,}: {megabytes:8.1f} MB")
    half, end = _first(samples, arguments.env_steps // 2)[1], samples[-1][1]
    print(f"  in the last half: {end - half:+.1f} MB")
    return 0


def sampled(settings: tuple[str, ...] | list[str], env_steps: int) -> list[Sample]:
    """Trains, and looks every half a second."""
    from redo_lab.commands.train import main as train

    samples: list[Sample] = []
    over = threading.Event()
    with tempfile.TemporaryDirectory() as root:

        def watch() -> None:
            while not over.wait(EVERY_SECONDS):
                samples.extend((_done(status), _resident_mb()) for status in Path(root).rglob("status.json"))

        watcher = threading.Thread(target=watch)
        watcher.start()
        lengths = [f"training.iteration_env_steps={env_steps}", "training.iterations=1", "threads=1"]
        try:
            code = train([*settings, *lengths, "logger=wandb_offline", f"root={root}"])
        finally:
            over.set()
            watcher.join()
    assert code == 0
    return samples


def _done(status: Path) -> int:
    return int(json.loads(status.read_text())["done"])


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _first(samples: list[Sample], steps: int) -> Sample:
    """The first sample after so many steps; the last where there is none."""
    return next((sample for sample in samples if sample[0] >= steps), samples[-1])


if __name__ == "__main__":
    raise SystemExit(main())
