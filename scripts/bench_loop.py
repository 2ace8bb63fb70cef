"""Training speed of our loop against Stable-Baselines3's DQN: whole loops on Atari, interleaved, medians and ratios.

Both: Breakout with sticky actions, the unpadded Nature network, batch 32, ε 0.01, updates every 4 agent steps, the same
number of torch threads, a warm replay. Neither evaluates, logs or checkpoints while it is timed.

    python scripts/bench_loop.py [--rounds 3] [--threads N] [--ratios 0.25 1]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

WARMUP_ENV_STEPS = 1000
TIMED_ENV_STEPS = {0.25: 2000, 1.0: 600}
CODES = ("redo_lab", "stable_baselines3")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.25, 1.0], choices=list(TIMED_ENV_STEPS))
    parser.add_argument("--leg", choices=CODES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.leg:
        rate = {"redo_lab": ours, "stable_baselines3": theirs}[arguments.leg](arguments.ratios[0], arguments.threads)
        print(json.dumps(rate))
        return 0
    for ratio in arguments.ratios:
        compare(ratio, arguments.rounds, arguments.threads)
    return 0


def compare(ratio: float, rounds: int, threads: int) -> None:
    """Prints the medians of both codes at one replay ratio and their ratio, round by round."""
    rates: dict[str, list[float]] = {code: [] for code in CODES}
    for _ in range(rounds):
        for code in CODES:
            words = [sys.executable, __file__, "--leg", code, "--ratios", str(ratio), "--threads", str(threads)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            rates[code].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"replay ratio {ratio:g}, {threads} torch thread(s), {rounds} interleaved rounds")
    for code, each in rates.items():
        steps = statistics.median(each)
        spread = f"{min(each):.1f} – {max(each):.1f}"
        print(f"  {code:<18} {steps:7.1f} agent steps/s ({spread})  {steps * ratio:7.1f} updates/s")
    ratios = [a / b for a, b in zip(rates["redo_lab"], rates["stable_baselines3"], strict=True)]
    print(
        f"  ratio redo_lab / stable_baselines3: {statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"
    )


def ours(ratio: float, threads: int) -> float:
    """Agent steps a second of our loop after warm-up."""
    import torch
    from hydra import compose, initialize_config_dir

    from redo_lab.attempt.execute import set_up_torch
    from redo_lab.attempt.metrics_log import MetricsLog
    from redo_lab.commands.train import CONF
    from redo_lab.config import resolve
    from redo_lab.plan import CheckedRun
    from redo_lab.scaling import register_resolvers
    from redo_lab.seeding import Seeds

    timed = TIMED_ENV_STEPS[ratio]
    register_resolvers()
    overrides = [
        f"training.replay_ratio={ratio}",
        "env=atari/breakout",
        "network.padding=valid",
        "probe=none",
        "logger=none",
        "replay.capacity=50000",
        "training.iterations=1",
        f"training.iteration_env_steps={WARMUP_ENV_STEPS + timed}",
        f"agent.warmup_env_steps={WARMUP_ENV_STEPS}",
        "agent.epsilon.decay_env_steps=1",
        f"threads={threads}",
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        checked = CheckedRun.of(resolve(compose("config", overrides=overrides)))
    set_up_torch(checked.config.threads)
    marks: list[float] = []
    study = checked.study.start(Seeds(0), torch.device("cpu"), MetricsLog([]))
    for _ in study.steps():
        if study.progress().done in (WARMUP_ENV_STEPS, WARMUP_ENV_STEPS + timed - 1):
            marks.append(time.perf_counter())
            if len(marks) == 2:
                break
    start, end = marks
    return (timed - 1) / (end - start)


def theirs(ratio: float, threads: int) -> float:
    """The same of Stable-Baselines3's DQN, set up the same."""
    import ale_py
    import gymnasium
    import torch
    from stable_baselines3 import DQN
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    gymnasium.register_envs(ale_py)
    torch.set_num_threads(threads)
    timed = TIMED_ENV_STEPS[ratio]

    class Timer(BaseCallback):
        def __init__(self) -> None:
            super().__init__()
            self.marks: list[float] = []

        def _on_step(self) -> bool:
            if self.num_timesteps in (WARMUP_ENV_STEPS, WARMUP_ENV_STEPS + timed - 1):
                self.marks.append(time.perf_counter())
            return len(self.marks) < 2

    wrappers = {"noop_max": 0, "terminal_on_life_loss": False, "action_repeat_probability": 0.25}
    env = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", wrapper_kwargs=wrappers), n_stack=4)
    model = DQN(
        "CnnPolicy",
        env,
        learning_rate=6.25e-5,
        buffer_size=50_000,
        learning_starts=WARMUP_ENV_STEPS,
        batch_size=32,
        train_freq=4,
        gradient_steps=round(4 * ratio),
        target_update_interval=round(2000 / ratio),
        exploration_fraction=1e-6,
        exploration_final_eps=0.01,
        device="cpu",
    )
    timer = Timer()
    model.learn(WARMUP_ENV_STEPS + timed + 100, callback=timer)
    return (timed - 1) / (timer.marks[1] - timer.marks[0])


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    raise SystemExit(main())
