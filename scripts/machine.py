"""What a benchmark must know of the machine: its matmul peaks, and how busy other processes kept it meanwhile."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

QUIET = 0.05
"""Of the processors' time, at most: where others take more, two timings are not compared."""
MATRIX = 2048
PEAK_ROUNDS = 8


def peaks_gflops() -> tuple[float, float]:
    """GFLOP/s of products of square fp32 matrices, the best of some, with torch's threads as they are set.

    First those of torch's own product (MKL's), then of the faster of that and oneDNN's, which dense layers may take.
    """
    import torch

    from redo_lab.networks.dense import product

    left, right = torch.rand(MATRIX, MATRIX), torch.rand(MATRIX, MATRIX)
    own, other = _best_gflops(lambda: torch.mm(left, right)), _best_gflops(lambda: product(left, right))
    return own, max(own, other)


def _best_gflops(multiply: Callable[[], object]) -> float:
    seconds = []
    for _ in range(PEAK_ROUNDS):
        begun = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - begun)
    return 2 * MATRIX**3 / min(seconds) / 1e9


@dataclass
class Stretch:
    """The time from its making to `others`."""

    begun: float
    busy: float
    own: float

    @classmethod
    def begin(cls) -> Stretch:
        """From now on."""
        return cls(time.monotonic(), _busy_seconds(), _own_seconds())

    def others(self) -> float:
        """The share of the processors' time that neither this process nor its ended children took; Linux alone."""
        whole = (time.monotonic() - self.begun) * (os.cpu_count() or 1)
        return max(0.0, _busy_seconds() - self.busy - (_own_seconds() - self.own)) / whole


def _busy_seconds() -> float:
    """user, nice, system, irq, softirq and steal of all processors."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
