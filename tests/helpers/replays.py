"""Small replays and a player that feeds them."""

from __future__ import annotations

import numpy as np
import torch

from redo_lab.replay.ring import Replay
from redo_lab.types import Box, Discrete, EnvSpec
from tests.helpers.naive_replay import NaiveReplay

CPU = torch.device("cpu")
ATARI = EnvSpec(frame_shape=(1, 84, 84), stack=4, dtype=np.uint8, actions=Discrete(6), frame_skip=4)


def pixels(stack: int, channels: int = 1) -> EnvSpec:
    return EnvSpec((channels, 2, 3), stack, np.uint8, Discrete(5), 1)


def vectors(stack: int = 1) -> EnvSpec:
    return EnvSpec((3,), stack, np.float32, Box((-1.0, -1.0), (1.0, 1.0)), 1)


def make(spec: EnvSpec, capacity: int = 100, n_step: int = 1, discount: float = 0.9) -> Replay:
    return Replay(Replay.Config(capacity, n_step, discount), spec=spec, device=CPU)


class Player:
    """Feeds every replay the same episodes; frame k is full of k + 1, so that no two frames and no zero are alike."""

    def __init__(self, spec: EnvSpec, *replays: Replay | NaiveReplay) -> None:
        self.spec, self.replays = spec, replays
        self.rng = np.random.default_rng(0)
        self.frame = 0
        self.obs = np.zeros(spec.obs_shape, spec.dtype)

    def _see(self, before: np.ndarray) -> np.ndarray:
        self.frame += 1
        newest = np.full(self.spec.frame_shape, self.frame, self.spec.dtype)
        self.obs = np.concatenate((before, newest))[self.spec.frame_shape[0] :]
        return self.obs

    def start(self) -> None:
        obs = self._see(np.zeros_like(self.obs))
        for replay in self.replays:
            replay.start(obs)

    def step(self, reward: float | None = None, *, terminated: bool = False, truncated: bool = False) -> None:
        action = self.rng.integers(5) if isinstance(self.spec.actions, Discrete) else self.rng.normal(size=2)
        reward = float(np.float32(self.rng.normal())) if reward is None else reward
        obs = self._see(self.obs)
        for replay in self.replays:
            replay.append(np.float32(action) if np.ndim(action) else int(action), reward, obs, terminated, truncated)

    def episode(self, length: int, end: str) -> None:
        """end: terminated, truncated, both, or open (left so)."""
        self.start()
        for k in range(length):
            last = k == length - 1
            self.step(
                terminated=last and end in ("terminated", "both"), truncated=last and end in ("truncated", "both")
            )
