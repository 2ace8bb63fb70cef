"""Does it learn? Ours against Stable-Baselines3 at the same settings, the same seeds, in the same pass.

Every leg is one process with one torch thread; finished legs are kept under `learn/` and not done again. Prints the
final returns side by side (mean of the last 10 % of evaluations of each seed) and writes them to learn/results.md.

    python scripts/learn.py [--only cartpole minatar sac drq] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

FOLDER = Path("learn")
CORES = len(os.sched_getaffinity(0))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


Returns = tuple[list[float], list[tuple[int, float]]]
"""Mean return of each evaluation; agent step and return of each game played while training."""


@dataclass(frozen=True)
class ScoreTable:
    """`ours`: overrides of redo-lab train; `peer`: SB3's agent, for scripts/peer_sb3.py.

    training: score the games played while training, in the last third, instead of the evaluations.
    """

    name: str
    env_steps: int
    evaluations: int
    ours: tuple[str, ...]
    peer: str
    seeds: int = 3
    training: bool = False
    note: str = ""


STUDIES = [
    ScoreTable(
        "cartpole",
        50_000,
        20,
        ("env=classic/cartpole", "replay_ratio=1", "evaluation=episodes", "evaluation.episodes=10"),
        "dqn",
        seeds=5,
        note="DQN on CartPole-v1, replay ratio 1",
    ),
    ScoreTable(
        "minatar",
        100_000,
        20,
        ("env=minatar/breakout", "replay_ratio=0.25", "evaluation=episodes", "evaluation.episodes=20",
         "shared.epsilon_decay_env_steps=25000", "shared.target_period_env_steps=1000"),
        "dqn",
        note="DQN on MinAtar Breakout, replay ratio 0.25, target copied every 1000 agent steps, ε in 25k",
    ),
    ScoreTable(
        "sac",
        30_000,
        10,
        ("env=mujoco/halfcheetah", "agent=sac", "replay_ratio=1", "evaluation.episodes=5", "replay.capacity=100000",
         "agent.warmup_env_steps=5000"),
        "sac",
        seeds=2,
        note="SAC on HalfCheetah-v5, replay ratio 1, 5000 random steps",
    ),
    ScoreTable(
        "drq",
        6_000,
        3,
        ("env=atari_100k/breakout", "agent=drq_eps", "replay_ratio=1", "evaluation.episodes=2",
         "replay.capacity=20000", "env.max_episode_env_steps=3000"),
        "dqn",
        seeds=2,
        training=True,
        note="DrQ(ε) on Breakout (Atari 100K protocol), replay ratio 1, training games of the last third (so early a "
        "greedy agent never serves the ball); SB3 has no DrQ: its DQN, same schedule",
    ),
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[study.name for study in STUDIES])
    parser.add_argument("--seeds", type=int, help="instead of each study's own number")
    parser.add_argument("--jobs", type=int, default=CORES, help="legs at a time")
    arguments = parser.parse_args()
    chosen = [study for study in STUDIES if not arguments.only or study.name in arguments.only]
    FOLDER.mkdir(exist_ok=True)
    legs = [
        (study, code, seed)
        for study in chosen
        for seed in range(arguments.seeds or study.seeds)
        for code in ("ours", "peer")
    ]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        finals = dict(zip(legs, pool.map(lambda leg: final_return(*leg), legs), strict=True))
    lines = report(chosen, {(study.name, code, seed): value for (study, code, seed), value in finals.items()})
    (FOLDER / "results.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


def report(studies: list[ScoreTable], finals: dict[tuple[str, str, int], float]) -> list[str]:
    """A table: the final return of every seed, and mean ± standard deviation."""
    lines = ["| study | agent steps | code | final return of each seed | mean ± std |", "|---|---|---|---|---|"]
    for study in studies:
        for code, label in (("ours", "redo_lab"), ("peer", "stable_baselines3")):
            values = [value for (name, by, _), value in finals.items() if (name, by) == (study.name, code)]
            each = ", ".join(f"{value:.1f}" for value in values)
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            mean = f"{statistics.mean(values):.1f} ± {spread:.1f}"
            lines.append(f"| {study.note} | {study.env_steps:,} | {label} | {each} | {mean} |")
    return lines


def final_return(study: ScoreTable, code: str, seed: int) -> float:
    """The leg's final return, from disk where it was finished before."""
    evaluations, games = _ours(study, seed) if code == "ours" else _peer(study, seed)
    if study.training:
        return statistics.mean(value for env_step, value in games if env_step > 2 / 3 * study.env_steps)
    last = max(1, len(evaluations) // 10)
    return statistics.mean(evaluations[-last:])


def _overrides(study: ScoreTable, seed: int) -> list[str]:
    length = [
        f"training.iterations={study.evaluations}",
        f"training.iteration_env_steps={study.env_steps // study.evaluations}",
    ]
    fixed = [f"root={FOLDER}", f"experiment={study.name}", f"seed={seed}", "logger=none", "threads=1"]
    return [*study.ours, *length, *fixed]


def _ours(study: ScoreTable, seed: int) -> Returns:
    words = [sys.executable, "-m", "redo_lab.commands.train", *_overrides(study, seed)]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stderr}")
    directory = Path(done.stdout.split(" is finished")[0].splitlines()[-1])
    metrics = pl.read_csv(directory / "metrics.csv")
    evaluations = metrics.filter(pl.col("name") == "evaluation/return_mean")["value"].to_list()
    games = metrics.filter(pl.col("name") == "training/return").select("env_steps", "value").rows()
    return evaluations, games


def _peer(study: ScoreTable, seed: int) -> Returns:
    result = FOLDER / study.name / f"sb3-s{seed}-{study.env_steps}.json"
    if not result.exists():
        result.parent.mkdir(exist_ok=True)
        words = [sys.executable, "-m", "scripts.peer_sb3", study.peer, str(result), *_overrides(study, seed)]
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}\n{done.stderr}")
    content = json.loads(result.read_text())
    return content["evaluation"], [tuple(game) for game in content["training"]]


if __name__ == "__main__":
    raise SystemExit(main())
