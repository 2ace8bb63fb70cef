"""The vocabulary every part shares: specs, batches and the protocols that studies see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


Metrics: TypeAlias = "dict[str, Tensor]"
"""Name → 0-d tensor, left on the device until the log is flushed."""

Observation: TypeAlias = "NDArray[np.uint8] | NDArray[np.float32]"
Action: TypeAlias = "int | NDArray[np.float32]"
Batch: TypeAlias = Any
"""What a study learns from in one update: a Transition in online RL, else whatever the study's own learner reads.

Probes and interventions hand it on to their learner and look at nothing but its `obs`, the inputs."""
Sampler: TypeAlias = "Callable[[int], Batch]"
"""Batch size → a batch drawn uniformly from what the study learns from, from a generator of the caller's own."""


@dataclass(frozen=True)
class Discrete:
    """Actions 0 … n - 1."""

    n: int


@dataclass(frozen=True)
class Box:
    """Continuous actions, one real number in [low, high] a dimension."""

    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class EnvSpec:
    """What an agent and a replay need to know of an environment before it starts.

    An observation is `stack` frames joined on axis 0, newest last: shape
    (stack * frame_shape[0], *frame_shape[1:]).
    """

    frame_shape: tuple[int, ...]
    stack: int
    dtype: type[np.uint8] | type[np.float32]
    actions: Discrete | Box
    frame_skip: int

    @property
    def obs_shape(self) -> tuple[int, ...]:
        return (self.stack * self.frame_shape[0], *self.frame_shape[1:])


class Transition(NamedTuple):
    """A batch on the device. There is no `done`: `discount` carries it.

    obs and next_obs: uint8 [N, C, H, W] or float32 [N, D]; action: int64 [N] or float32 [N, A];
    reward: float32 [N], summed over n steps and discounted;
    discount: float32 [N], gamma**n, 0 at termination, unchanged at truncation.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_obs: Tensor


@dataclass(frozen=True)
class LabelledImages:
    """Images uint8 [N, C, H, W] and the class of each, int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def first(self, count: int) -> LabelledImages:
        """The first `count` of them."""
        return LabelledImages(self.images[:count], self.labels[:count])


class Examples(NamedTuple):
    """A batch of images on the device and the class of each: obs uint8 [N, C, H, W]; label int64 [N]."""

    obs: Tensor
    label: Tensor


class Step(NamedTuple):
    """What one agent step returned.

    `reward` is what the agent learns from (clipped on Atari). `game_return` is None except on the step that ends a
    game, where it is the sum of the raw rewards of that game; with life-loss termination a game spans several episodes.
    """

    obs: Observation
    reward: float
    terminated: bool
    truncated: bool
    game_return: float | None


@dataclass
class Counters:
    """The clocks of a run. env_steps: agent steps; updates: gradient steps."""

    env_steps: int = 0
    updates: int = 0
    episodes: int = 0


class Progress(NamedTuple):
    """How far a study is. unit: what it counts, "agent steps"; phase: what it does now, "training" or another word."""

    done: int
    total: int
    unit: str
    phase: str


@dataclass
class Row:
    """Metrics of one moment of a run."""

    env_steps: int
    updates: int
    values: Mapping[str, float] = field(default_factory=dict)
