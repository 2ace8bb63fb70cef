"""Training returns by iteration of DQN on Atari at the paper's settings, beside those that Dopamine publishes.

    redo-lab train agent=dqn env=atari/breakout replay_ratio=0.25 agent.loss=mse experiment=validation
    python -m scripts.validation runs/validation

The mean over the games that ended in an iteration of 250,000 agent steps (1M frames), as Dopamine's logs have it. An
iteration that isn't over is not shown.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import polars as pl

ITERATION_ENV_STEPS = 250_000
DOPAMINE = {"asterix": ("317 ± 8", "590 ± 45"), "breakout": ("1.8 ± 0.1", "7.1 ± 0.9")}
"""Mean ± standard deviation of 5 seeds in the first iterations: DQN of Dopamine's published baselines."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of runs")
    folder = parser.parse_args().folder
    print("| game | seed | iteration | games | mean training return | Dopamine |")
    print("|---|---|---|---|---|---|")
    for file in sorted(folder.glob("*/run.json")):
        axes = json.loads(file.read_text())["axes"]
        for iteration, games, mean in returns(file.parent):
            published = DOPAMINE.get(axes["game"], ())[iteration : iteration + 1]
            ours = f"{iteration + 1} | {games} | {mean:.1f}"
            print(f"| {axes['game']} | {axes['seed']} | {ours} | {' '.join(published) or '–'} |")
    return 0


def returns(run: Path) -> list[tuple[int, int, float]]:
    """(iteration from 0, games that ended in it, their mean return) of each iteration that is over."""
    metrics = pl.read_csv(run / "metrics.csv").with_columns(at=(pl.col("env_steps") - 1) // ITERATION_ENV_STEPS)
    done = json.loads((run / "status.json").read_text())["done"] // ITERATION_ENV_STEPS
    games = metrics.filter((pl.col("name") == "training/return") & (pl.col("at") < done))
    return games.group_by("at").agg(pl.len(), pl.col("value").mean()).sort("at").rows()  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())
