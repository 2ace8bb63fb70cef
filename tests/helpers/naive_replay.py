"""What the replay must return, told with whole observations in a list: slow, and written without looking at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Entry:
    obs: np.ndarray
    episode: int
    action: Any = None
    reward: float | None = None
    end: str | None = None  # "terminated", "truncated" or None: not (yet) the last one of its episode


class NaiveReplay:
    def __init__(self, capacity: int, n_step: int, discount: float, stack: int) -> None:
        self.capacity, self.n_step, self.discount, self.stack = capacity, n_step, discount, stack
        self.entries: list[Entry] = []
        self.open = False
        self.episodes = 0

    def start(self, obs: np.ndarray) -> None:
        if self.open:
            self.entries[-1].end = "truncated"
        self.open = True
        self.episodes += 1
        self.entries.append(Entry(obs.copy(), self.episodes))

    def append(self, action: Any, reward: float, obs: np.ndarray, terminated: bool, truncated: bool) -> None:
        self.entries[-1].action, self.entries[-1].reward = action, reward
        end = "terminated" if terminated else "truncated" if truncated else None
        self.entries.append(Entry(obs.copy(), self.episodes, end=end))
        self.open = end is None

    def window(self, start: int) -> list[Entry] | None:
        """The entries start … start + m, or None when no n-step transition may start there."""
        episode = [i for i, entry in enumerate(self.entries) if entry.episode == self.entries[start].episode]
        needed = [i for i in episode if start - self.stack < i <= start]
        kept = range(len(self.entries))[-self.capacity :]
        if not all(i in kept for i in needed):
            return None
        window = [self.entries[i] for i in episode if start <= i <= start + self.n_step]
        complete = len(window) == self.n_step + 1 or window[-1].end is not None
        return window if complete and len(window) > 1 else None

    def valid_starts(self) -> list[int]:
        return [i for i in range(len(self.entries)) if self.window(i) is not None]

    def transition(self, start: int) -> tuple[np.ndarray, Any, float, float, np.ndarray]:
        window = self.window(start)
        assert window is not None
        reward, discount = 0.0, 1.0
        for entry in window[:-1]:
            reward += discount * entry.reward
            discount *= self.discount
        if window[-1].end == "terminated":
            discount = 0.0
        return window[0].obs, window[0].action, reward, discount, window[-1].obs
