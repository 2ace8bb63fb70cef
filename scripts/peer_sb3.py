"""Stable-Baselines3's DQN or SAC on our environments, set from our own config: the peer of scripts/learn.py.

python scripts/peer_sb3.py dqn|sac RESULT.json OVERRIDES…
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from redo_lab.commands.train import CONF
from redo_lab.commands.words import quoted
from redo_lab.config import build, resolve, run_config
from redo_lab.options import groups
from redo_lab.runs.atomic import write_json
from redo_lab.scaling import register_resolvers
from redo_lab.seeding import Seeds
from redo_lab.studies.online import TrainingConfig
from redo_lab.types import Discrete


@dataclass(frozen=True)
class Settings:
    """The nodes of a config that the peer is set up from."""

    seed: int
    training: TrainingConfig
    env: dict[str, Any]
    network: dict[str, Any]
    agent: dict[str, Any]
    replay: dict[str, Any]
    evaluation: dict[str, Any]


class Adapter(gymnasium.Env[Any, Any]):
    """One of our environments as Gymnasium has them."""

    def __init__(self, config: Settings, seed: int, training: bool) -> None:
        self.inner = build(config.env, "env", seed=seed, training=training)
        spec = self.inner.spec
        if spec.dtype is np.uint8:
            self.observation_space = gymnasium.spaces.Box(0, 255, spec.obs_shape, np.uint8)
        else:
            self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, spec.obs_shape, np.float32)
        self.action_space = (
            gymnasium.spaces.Discrete(spec.actions.n)
            if isinstance(spec.actions, Discrete)
            else gymnasium.spaces.Box(np.float32(spec.actions.low), np.float32(spec.actions.high))
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self.inner.reset(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        step = self.inner.step(action if isinstance(action, np.ndarray) and action.ndim else int(action))
        return step.obs, step.reward, step.terminated, step.truncated, {"game_return": step.game_return}


class OurTorso(BaseFeaturesExtractor):
    """The network of our config as SB3's features, so that both train the same architecture."""

    def __init__(self, space: gymnasium.spaces.Box, node: dict[str, Any]) -> None:
        torso = build(node, "network", obs_shape=space.shape, generator=torch.Generator().manual_seed(0))
        super().__init__(space, torso.features)
        self.torso: nn.Module = torso

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.torso(observations)
        return features


def evaluate(model: DQN | SAC, config: Settings, iteration: int) -> float:
    """The mean return of whole games, greedy but for ε, as ours are evaluated."""
    seeds = Seeds(config.seed)
    env = Adapter(config, seeds.integer(f"evaluation.{iteration}"), training=False)
    generator, epsilon = seeds.numpy(f"evaluation.{iteration}"), config.evaluation["epsilon"]
    returns: list[float] = []
    obs, _ = env.reset()
    while len(returns) < config.evaluation["episodes"]:
        action, _ = model.predict(obs, deterministic=True)
        if generator.random() < epsilon:
            action = np.array(generator.integers(env.action_space.n))
        obs, _, terminated, truncated, info = env.step(action)
        if info["game_return"] is not None:
            returns.append(info["game_return"])
        if terminated or truncated:
            obs, _ = env.reset()
    return float(np.mean(returns))


class Evaluations(BaseCallback):
    """Evaluates after every iteration, and notes the games played while training."""

    def __init__(self, config: Settings) -> None:
        super().__init__()
        self.config = config
        self.returns: list[float] = []
        self.games: list[tuple[int, float]] = []

    def _on_step(self) -> bool:
        (info,) = self.locals["infos"]
        if info["game_return"] is not None:
            self.games.append((self.num_timesteps, info["game_return"]))
        iteration, within = divmod(self.num_timesteps, self.config.training.iteration_env_steps)
        if not within:
            self.returns.append(evaluate(self.model, self.config, iteration))
        return True


def make(kind: str, config: Settings) -> DQN | SAC:
    """The peer with our numbers; gradient clipping is off, as in ours."""
    agent, seeds = config.agent, Seeds(config.seed)
    env = Adapter(config, seeds.integer("env"), training=True)
    common: dict[str, Any] = {
        "learning_rate": agent["learning_rate"],
        "buffer_size": config.replay["capacity"],
        "learning_starts": agent["warmup_env_steps"],
        "batch_size": agent["batch_size"],
        "gamma": agent["discount"],
        "train_freq": agent["update_period_env_steps"],
        "gradient_steps": max(1, round(agent["update_period_env_steps"] * config.training.replay_ratio)),
        "seed": config.seed,
        "device": "cpu",
    }
    if kind == "sac":
        return SAC("MlpPolicy", env, tau=agent["target_smoothing"], policy_kwargs={"net_arch": [256, 256]}, **common)
    total = config.training.env_steps
    image = {"normalize_images": False, "features_extractor_class": OurTorso, "net_arch": []}
    return DQN(
        "CnnPolicy" if len(env.observation_space.shape) == 3 else "MlpPolicy",
        env,
        max_grad_norm=1e9,
        target_update_interval=agent["target_period_env_steps"],
        exploration_fraction=agent["epsilon"]["decay_env_steps"] / total,
        exploration_final_eps=agent["epsilon"]["final"],
        policy_kwargs={
            **image,
            "features_extractor_kwargs": {"node": config.network},
            "optimizer_kwargs": {"eps": agent["optimizer"]["epsilon"]},
        },
        **common,
    )


def main(kind: str, result: str, *overrides: str) -> int:
    register_resolvers()
    torch.set_num_threads(1)
    words = [quoted(word, groups()) for word in overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain = resolve(compose("config", overrides=words))
    _, study = run_config(plain)
    nodes = {name: plain[name] for name in ("env", "network", "agent", "replay", "evaluation")}
    config = Settings(plain["seed"], study.training, **nodes)
    evaluations = Evaluations(config)
    make(kind, config).learn(config.training.env_steps, callback=evaluations)
    write_json(Path(result), {"evaluation": evaluations.returns, "training": evaluations.games})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
