"""A folder of run directories with made-up numbers, as redo_lab would leave them: to try figures and the report on.

python scripts/synthetic_runs.py DIR [--methods none redo …] [--replay-ratios …] [--games …] [--seeds N]
By default 17 games × 5 seeds × 4 replay ratios × {none, redo}: 680 runs of 40 evaluations. Nothing here was trained.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from redo_lab.analysis.normalise import atari_references

GAMES = [
    "asterix",
    "demon_attack",
    "seaquest",
    "wizard_of_wor",
    "beam_rider",
    "road_runner",
    "jamesbond",
    "qbert",
    "breakout",
    "enduro",
    "space_invaders",
    "pong",
    "zaxxon",
    "yars_revenge",
    "ms_pacman",
    "double_dunk",
    "ice_hockey",
]
PARTS = ("agent", "network", "env", "replay", "evaluation")
"""Of a config, so that a run.json is about as long as a real one."""
LAYERS = ("conv1", "conv2", "conv3", "dense", "total")
THRESHOLDS = ("0", "0p025", "0p1")
GAIN = {"none": 1.0, "redo": 1.5, "reset": 1.1, "weight_decay": 0.9}
"""Final human-normalised score at replay ratio 0.25, of a game of middling difficulty."""
LOSS = {"none": 0.35, "redo": 0.02, "reset": 0.15, "weight_decay": 0.25}
"""How much of it each doubling of the replay ratio costs."""
COMMIT = "0" * 40
STEPS = 2_500_000
STATUS = {
    "state": "finished",
    "done": STEPS,
    "total": STEPS,
    "unit": "agent steps",
    "phase": "training",
    "rate_per_s": 100.0,
    "headline": {"return": 0.0},
    "stepped": 0.0,
    "heartbeat": 0.0,
    "attempt": 1,
    "error": None,
    "host": "nowhere",
    "pid": None,
}
"""Of every run, without its updates."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--methods", nargs="+", default=["none", "redo"], choices=list(GAIN))
    parser.add_argument("--replay-ratios", nargs="+", type=float, default=[0.25, 0.5, 1, 2])
    parser.add_argument("--games", nargs="+", default=GAMES, choices=GAMES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=40)
    arguments = parser.parse_args()
    cells = product(arguments.methods, arguments.replay_ratios, arguments.games, range(arguments.seeds))
    directories = [write(arguments.directory, *cell, evaluations=arguments.evaluations) for cell in cells]
    print(f"{len(directories)} runs with made-up numbers in {arguments.directory}")


def write(root: Path, method: str, ratio: float, game: str, seed: int, evaluations: int) -> Path:
    """One run of 2.5M agent steps, finished."""
    run_id = f"dqn-{game}-rr{ratio:g}-{method}-s{seed}-synthetic"
    generator = np.random.default_rng(zlib.crc32(run_id.encode()))
    directory = root / run_id
    directory.mkdir(parents=True)
    updates = int(STEPS * ratio)
    run = identity(method, ratio, game, seed) | {"run_id": run_id, "experiment": root.name}
    (directory / "run.json").write_text(json.dumps(run, indent=2))
    (directory / "status.json").write_text(json.dumps(STATUS | {"updates": updates}))
    (directory / "config.yaml").write_text(f"seed: {seed}\nagent:\n  learning_rate: 6.25e-05\n")
    lines = "\n".join(metrics(method, ratio, game, evaluations, STEPS, generator))
    (directory / "metrics.csv").write_text(f"env_steps,updates,name,value\n{lines}\n")
    rate = 90 / (0.3 + ratio)
    throughput = f"{STEPS / rate:.1f},{STEPS},{updates},{rate:.2f},{rate * ratio:.2f},7400.0"
    header = "wall_seconds,env_steps,updates,env_steps_per_s,updates_per_s,peak_memory_mb"
    (directory / "throughput.csv").write_text(f"{header}\n{throughput}\n")
    return directory


def identity(method: str, ratio: float, game: str, seed: int) -> dict[str, Any]:
    """What run.json says beside the run's id and experiment."""
    axes = {"agent": "dqn", "network": "nature", "suite": "atari", "game": game, "replay_ratio": ratio}
    axes |= {"recycler": method, "scale": "paper", "seed": seed}
    options = {part: {f"option_{at}": at for at in range(16)} for part in PARTS}
    return {
        "axes": axes,
        "name": f"dqn {game} rr{ratio:g} {method} s{seed}",
        "study": "online",
        "total": STEPS,
        "env_steps": STEPS,
        "unit": "agent steps",
        "clocks": {"env_steps": "agent steps", "updates": "gradient steps"},
        "identity": "synthetic",
        "git": {"commit": COMMIT, "dirty": False},
        "versions": {"redo_lab": "0.1.0", "torch": "2.13.0"},
        "settings": {"seed": seed, "training": {"replay_ratio": ratio}, **options},
    }


def metrics(
    method: str, ratio: float, game: str, evaluations: int, steps: int, generator: np.random.Generator
) -> Iterator[str]:
    """The lines of metrics.csv: returns that saturate, dormant neurons that pile up unless they are recycled."""
    reference = atari_references()[game.replace("_", "")]
    assert reference.human is not None
    ease = 0.3 + 1.7 * (zlib.crc32(game.encode()) % 100) / 100
    goal = ease * GAIN[method] * (1 - LOSS[method]) ** np.log2(ratio / 0.25) * generator.lognormal(0, 0.25)
    for number in range(1, evaluations + 1):
        done = number / evaluations
        at = f"{int(done * steps)},{int(done * steps * ratio)}"
        score = goal * (1 - np.exp(-4 * done)) * generator.normal(1, 0.08)
        raw = reference.random + score * (reference.human - reference.random)
        yield f"{at},evaluation/return_mean,{raw}"
        yield f"{at},train/loss,{generator.gamma(2, 0.01)}"
        for depth, layer in enumerate(LAYERS):
            grown = 60 * LOSS[method] * done * np.sqrt(ratio) * (1 + depth / 4)
            for factor, tau in zip((0.5, 0.8, 1.0), THRESHOLDS, strict=True):
                yield f"{at},dormant/{layer}_tau{tau},{min(100.0, abs(grown * factor + generator.normal(0, 1)))}"
            yield f"{at},overlap/{layer}_historical_tau0,{min(100.0, 60 + 40 * done + generator.normal(0, 2))}"
            yield f"{at},overlap/{layer}_neurons_tau0,{10 + 50 * done}"
        yield f"{at},rank/dense_srank,{400 * (1 - LOSS[method] * done / 2) + generator.normal(0, 3)}"
        yield f"{at},norms/total_weight,{50 + 10 * done}"
        yield f"{at},churn/greedy_changed,{generator.uniform(10, 20)}"


if __name__ == "__main__":
    main()
