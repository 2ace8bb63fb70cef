"""One seed determines everything, through generators that each have a name."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Seeds:
    """Independent generators derived from (seed, name); a new name never changes the streams of the others."""

    seed: int

    def _sequence(self, name: str) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.seed, zlib.crc32(name.encode())])

    def integer(self, name: str) -> int:
        """A 31-bit seed for a library that takes an integer (ALE, Gymnasium)."""
        return int(self._sequence(name).generate_state(1)[0] >> 1)

    def numpy(self, name: str) -> np.random.Generator:
        return np.random.default_rng(self._sequence(name))

    def torch(self, name: str, device: str | torch.device = "cpu") -> torch.Generator:
        import torch

        generator = torch.Generator(device)
        generator.manual_seed(int(self._sequence(name).generate_state(1, np.uint64)[0] >> 1))
        return generator
