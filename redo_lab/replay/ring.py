"""The replay: a ring of observations whose frames are stored once, read back as n-step transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redo_lab.config import require
from redo_lab.replay.frames import DeviceFrames, HostFrames, Placement
from redo_lab.types import Action, Box, EnvSpec, Observation, Transition

NOT_FINAL, TERMINATED, TRUNCATED = 0, 1, 2
MAX_DRAWS = 16


class Replay:
    """The newest `capacity` observations ("entries"), an episode's last one included, each as its newest frame alone.

    A sample is the same, bit for bit, wherever the frames lie: what is drawn and all but the frames stay on the host.

    Entry number i (0 … added - 1, never reused) lives at slot i % capacity of the arrays:
    frames [capacity, *frame_shape]; actions and rewards [capacity], of the step taken at that entry, stale where none
    was taken; ends uint8 [capacity], NOT_FINAL, TERMINATED or TRUNCATED; history uint8 [capacity], how many of the
    preceding stack - 1 entries belong to the same episode. The arrays, `added` and `episode_start` are the whole state.
    """

    @dataclass
    class Config:
        """capacity: entries, not transitions; an episode of T steps takes T + 1. discount: of one step.

        device: where the frames lie.
        """

        capacity: int
        n_step: int
        discount: float
        device: Placement = field(default=Placement.cpu, kw_only=True)  # of runs begun before there was this choice

        def __post_init__(self) -> None:
            require(self.capacity >= 1, f"capacity must be ≥ 1, got {self.capacity}")
            require(self.n_step >= 1, f"n_step must be ≥ 1, got {self.n_step}")
            require(
                self.n_step < self.capacity - 1,
                f"n_step={self.n_step} needs a capacity of more than {self.n_step + 1} observations, "
                f"got capacity={self.capacity}",
            )
            require(0 <= self.discount <= 1, f"discount must be in [0, 1], got {self.discount}")

    def __init__(self, config: Config, *, spec: EnvSpec, device: torch.device) -> None:
        self.config = config
        self.spec = spec
        self.device = device
        shape = (config.capacity, *spec.frame_shape)
        place = config.device.of(device, frame_bytes(config, spec))
        self.frames: HostFrames | DeviceFrames = (
            np.zeros(shape, spec.dtype) if place.type == "cpu" else DeviceFrames(shape, spec.dtype, place)
        )
        self.actions: NDArray[np.int64] | NDArray[np.float32] = (
            np.zeros((config.capacity, len(spec.actions.low)), dtype=np.float32)
            if isinstance(spec.actions, Box)
            else np.zeros(config.capacity, dtype=np.int64)
        )
        self.rewards: NDArray[np.float32] = np.zeros(config.capacity, dtype=np.float32)
        self.ends: NDArray[np.uint8] = np.zeros(config.capacity, dtype=np.uint8)
        self.history: NDArray[np.uint8] = np.zeros(config.capacity, dtype=np.uint8)
        self.added = 0
        """Entries ever added; it only grows."""
        self.episode_start: int | None = None
        """The first entry of the open episode; None between episodes."""
        self._discounts = np.tile((float(config.discount) ** np.arange(config.n_step + 1)).astype(np.float32), (3, 1))
        self._discounts[TERMINATED] = 0

    def __len__(self) -> int:
        """The number of stored entries; a few of them are not valid starts."""
        return min(self.added, self.config.capacity)

    @property
    def oldest(self) -> int:
        """The number of the oldest stored entry."""
        return self.added - len(self)

    def state_dict(self) -> dict[str, Any]:
        """The counters alone; `replay_segments` saves the arrays."""
        return {"added": self.added, "episode_start": self.episode_start}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The counters are those of `state`; the arrays are as they were."""
        self.added, self.episode_start = state["added"], state["episode_start"]

    def start(self, obs: Observation) -> None:
        """Opens an episode with its first observation; an episode still open counts as truncated at its newest entry.

        The frames of `obs` before its newest are taken to be zeros, and read back so.
        """
        if self.episode_start is not None:
            self.ends[(self.added - 1) % self.config.capacity] = TRUNCATED
        self.episode_start = self.added
        self._add(obs, NOT_FINAL)

    def append(self, action: Action, reward: float, obs: Observation, terminated: bool, truncated: bool) -> None:
        """Stores the step taken at the newest entry and adds `obs`, which it led to, as the next one."""
        assert self.episode_start is not None, "append needs an open episode: call start first"
        newest = (self.added - 1) % self.config.capacity
        self.actions[newest] = action
        self.rewards[newest] = reward
        self._add(obs, TERMINATED if terminated else TRUNCATED if truncated else NOT_FINAL)
        if terminated or truncated:
            self.episode_start = None

    def _add(self, obs: Observation, end: int) -> None:
        assert obs.shape == self.spec.obs_shape, f"expected {self.spec.obs_shape}, got {obs.shape}"
        assert self.episode_start is not None
        slot = self.added % self.config.capacity
        self.frames[slot] = obs[-self.spec.frame_shape[0] :]
        self.ends[slot] = end
        self.history[slot] = min(self.spec.stack - 1, self.added - self.episode_start)
        self.added += 1

    def sample(self, batch_size: int, generator: np.random.Generator) -> Transition:
        """A batch of its own memory, drawn uniformly with replacement from the valid starts; ValueError if none is."""
        return self.transitions(self.draw(batch_size, generator))

    def valid_starts(self) -> NDArray[np.int64]:
        """The numbers of all entries a sample may start from, ascending: the n steps from there (fewer at an episode's
        end) and the whole stack before it are stored. Takes time proportional to the capacity."""
        entries = np.arange(self.oldest, max(self._stop, self.oldest))
        return entries[self._is_start(entries)]

    @property
    def _stop(self) -> int:
        """No window from this entry on is complete; every one before it is: its episode is over or goes n further."""
        if self.episode_start is None:
            return self.added
        return max(self.episode_start, self.added - self.config.n_step)

    def _is_start(self, entries: NDArray[np.int64]) -> NDArray[np.bool_]:
        slots = entries % self.config.capacity
        valid: NDArray[np.bool_] = (self.ends[slots] == NOT_FINAL) & (self.history[slots] <= entries - self.oldest)
        return valid

    def draw(self, batch_size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """The numbers of the entries that `sample` would start from."""
        starts = np.empty(0, dtype=np.int64)
        for _ in range(MAX_DRAWS if self.oldest < self._stop else 0):
            candidates = generator.integers(self.oldest, self._stop, batch_size - len(starts))
            valid = self._is_start(candidates)
            starts = np.concatenate((starts, candidates[valid]))
            if len(starts) == batch_size:
                return starts
        every = self.valid_starts()
        if not len(every):
            raise ValueError(
                f"no transition to sample: of {len(self)} observations stored (capacity {self.config.capacity}) none "
                f"has its stack of {self.spec.stack} and its next {self.config.n_step} steps among them"
            )
        return np.concatenate((starts, generator.choice(every, batch_size - len(starts))))

    def transitions(self, starts: NDArray[np.int64]) -> Transition:
        """The n-step transitions from these valid starts, in this order, in memory no later call writes to."""
        slots = starts % self.config.capacity
        steps, reward, discount = self._returns(slots)
        missing = self.spec.stack - 1 - self.history[slots].astype(np.int64)
        if self.config.n_step == 1:
            channels = self.spec.frame_shape[0]
            window = self._gather(slots + 1, self.spec.stack + 1, missing)
            obs, next_obs = window[:, :-channels], window[:, channels:]
        else:
            obs = self._gather(slots, self.spec.stack, missing)
            next_obs = self._gather(slots + steps, self.spec.stack, np.maximum(missing - steps, 0))
        action = self.actions[slots]
        return Transition(obs, self._to_device(action), self._to_device(reward), self._to_device(discount), next_obs)

    def _returns(self, slots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """How many steps each window takes, sum_k gamma^k r_k over them (summed in float64), and the discount after.

        What lies past the newest entry is a ring's length old, but no valid window gets there before its own end.
        """
        if self.config.n_step == 1:
            steps = np.ones(len(slots), dtype=np.int64)
            return steps, self.rewards[slots], self._discounts[self.ends.take(slots + 1, mode="wrap"), steps]
        ahead = slots[:, None] + np.arange(self.config.n_step)
        ends = self.ends.take(ahead + 1, mode="wrap")
        final = ends != NOT_FINAL
        steps = np.where(final.any(axis=1), final.argmax(axis=1) + 1, self.config.n_step)
        powers = float(self.config.discount) ** np.arange(self.config.n_step)
        within = np.arange(self.config.n_step) < steps[:, None]
        reward = (self.rewards.take(ahead, mode="wrap") * powers).sum(axis=1, where=within)
        return steps, reward.astype(np.float32), self._discounts[ends[np.arange(len(slots)), steps - 1], steps]

    def _gather(self, newest: NDArray[np.int64], width: int, missing: NDArray[np.int64]) -> Tensor:
        """The `width` frames up to each slot of `newest`, joined on axis 0, the first `missing` of them zero.

        The memory is fresh (pinned for a GPU: torch reuses it only after the copy), so the caller may keep it.
        """
        channels, *rest = self.spec.frame_shape
        shape = (len(newest), width * channels, *rest)
        slots = ((newest[:, None] + np.arange(1 - width, 1)) % self.config.capacity).reshape(-1)
        if isinstance(self.frames, DeviceFrames):
            empty = (np.arange(width) < missing[:, None]).reshape(-1)
            return self.frames.windows(slots, empty).view(shape)
        stored = torch.from_numpy(self.frames)
        on_gpu = self.device.type == "cuda"
        pinned = torch.empty((len(slots), *stored.shape[1:]), dtype=stored.dtype, pin_memory=True) if on_gpu else None
        window = torch.index_select(stored, 0, torch.from_numpy(slots), out=pinned)
        if missing.any():
            frames = window.numpy().reshape(len(newest), width, -1)
            for row in missing.nonzero()[0]:
                frames[row, : missing[row]] = 0
        return window.view(shape).to(self.device, non_blocking=True)

    def _to_device(self, array: NDArray[np.int64] | NDArray[np.float32]) -> Tensor:
        # A GPU takes memory that isn't pinned through a buffer of its own, so the array may go at once.
        return torch.from_numpy(array).to(self.device, non_blocking=True)


def frame_bytes(config: Replay.Config, spec: EnvSpec) -> int:
    """The memory of all frames."""
    return config.capacity * int(np.prod(spec.frame_shape)) * np.dtype(spec.dtype).itemsize
