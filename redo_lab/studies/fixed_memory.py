"""What an offline agent learns from: recorded transitions, with their rewards or with fixed random targets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from redo_lab.experience import Recording
from redo_lab.replay.ring import Replay
from redo_lab.seeding import Seeds
from redo_lab.types import Transition


class FixedMemory:
    """One part of a recording in memory at a time; which one follows from the seed and the number of updates.

    Every part comes once before any comes again, each time in another order. Nothing of it needs to be saved.
    """

    def __init__(
        self,
        recording: Recording,
        config: Replay.Config,
        *,
        part_updates: int,
        random_target_std: float | None,
        seeds: Seeds,
        device: torch.device,
    ) -> None:
        """random_target_std: of the normal distribution that an entry's target is drawn from; None: it has none."""
        self.recording = recording
        self.config = config
        self.part_updates = part_updates
        self.random_target_std = random_target_std
        self.seeds = seeds
        self.device = device
        self.part: int | None = None
        self.replay: Replay | None = None
        self.targets: NDArray[np.float32] | None = None

    def part_at(self, updates: int) -> int:
        """The part that the update after `updates` others learns from."""
        parts = self.recording.parts()
        lap, place = divmod(updates // self.part_updates, len(parts))
        return int(self.seeds.numpy(f"data.{lap}").permutation(parts)[place])

    def loading(self, updates: int) -> Iterator[None]:
        """What the next update learns from is in memory; yields while it is loaded."""
        if updates % self.part_updates and self.replay is not None:
            return
        part = self.part_at(updates)
        if part == self.part:
            return
        self.part = self.replay = None  # the next one may need all the room
        self.replay = yield from self.recording.load(part, self.config, self.device)
        self.part = part
        if self.random_target_std is not None:
            generator = self.seeds.numpy(f"targets.{part}")
            values = generator.standard_normal(len(self.replay), np.float32)
            self.targets = values * np.float32(self.random_target_std)

    def draw(self, batch_size: int, generator: np.random.Generator) -> Transition:
        """Transitions of the present part. One with a target of its own has that as its reward, and discount 0."""
        assert self.replay is not None, "loading comes first"
        starts = self.replay.draw(batch_size, generator)
        batch = self.replay.transitions(starts)
        if self.targets is None:
            return batch
        targets = torch.from_numpy(self.targets[starts]).to(self.device, non_blocking=True)
        return batch._replace(reward=targets, discount=torch.zeros_like(batch.discount))
