"""Stable-Baselines3's agents as their users set them up, for `make bench`; each with the sizes and rates of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ale_py
import gymnasium
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

from scripts import peer_sb3

gymnasium.register_envs(ale_py)


def atari(ratio: float, words: Sequence[str]) -> Any:
    """DQN on Breakout with its own wrappers and network (NatureCNN, unpadded)."""
    settings = peer_sb3.settings(words)
    wrappers = {"noop_max": 0, "terminal_on_life_loss": False, "action_repeat_probability": 0.25}
    env = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", wrapper_kwargs=wrappers), n_stack=4)
    return DQN(
        "CnnPolicy",
        env,
        learning_rate=settings.agent["learning_rate"],
        buffer_size=settings.replay["capacity"],
        learning_starts=settings.agent["warmup_env_steps"],
        batch_size=settings.agent["batch_size"],
        train_freq=4,
        gradient_steps=round(4 * ratio),
        target_update_interval=round(2000 / ratio),
        exploration_fraction=1e-6,
        exploration_final_eps=0.01,
        device="cpu",
    )


def halfcheetah(ratio: float, words: Sequence[str]) -> Any:
    """SAC on HalfCheetah with its own network, two layers of 256."""
    settings = peer_sb3.settings(words)
    return SAC(
        "MlpPolicy",
        "HalfCheetah-v5",
        learning_rate=settings.agent["learning_rate"],
        buffer_size=settings.replay["capacity"],
        learning_starts=settings.agent["warmup_env_steps"],
        batch_size=settings.agent["batch_size"],
        train_freq=1,
        gradient_steps=round(ratio),
        policy_kwargs={"net_arch": [256, 256]},
        device="cpu",
    )


def ours(ratio: float, words: Sequence[str]) -> Any:
    """DQN on our environment with our network, where Stable-Baselines3 has none for its observations."""
    return peer_sb3.make("dqn", peer_sb3.settings(words))


def stepping(model: Any) -> Callable[[int], None]:
    """A function that advances `model` by so many agent steps, each with its updates."""
    _, callback = model._setup_learn(10**9)

    def advance(env_steps: int) -> None:
        end = model.num_timesteps + env_steps
        while model.num_timesteps < end:
            model.collect_rollouts(
                model.env,
                train_freq=model.train_freq,
                action_noise=model.action_noise,
                callback=callback,
                learning_starts=model.learning_starts,
                replay_buffer=model.replay_buffer,
            )
            if model.num_timesteps > model.learning_starts:
                model.train(batch_size=model.batch_size, gradient_steps=model.gradient_steps)

    return advance
