"""The vocabulary every part shares: specs, transitions and the protocols the training loop sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from redo_lab.neurons.layers import HiddenLayer, Network

Metrics: TypeAlias = "dict[str, Tensor]"
"""Name → 0-d tensor, left on the device until the log is flushed."""

Observation: TypeAlias = "NDArray[np.uint8] | NDArray[np.float32]"
Action: TypeAlias = "int | NDArray[np.float32]"
Sampler: TypeAlias = "Callable[[int], Transition]"
"""Batch size → a batch drawn uniformly from the replay, from a generator of the caller's own."""


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


class Env(Protocol):
    """One environment; `step` after a step that terminated or truncated is an error until `reset`."""

    spec: EnvSpec

    def reset(self) -> Observation: ...
    def step(self, action: Action) -> Step: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@dataclass
class Counters:
    """The clocks of a run. env_steps: agent steps; updates: gradient steps."""

    env_steps: int = 0
    updates: int = 0
    episodes: int = 0


class Agent(Protocol):
    """What the loop, recyclers and probes need of any agent."""

    batch_size: int
    warmup_env_steps: int
    update_period_env_steps: int

    def act(self, obs: Observation, env_step: int) -> Action:
        """The exploring action at `env_step` (agent steps taken so far)."""

    def greedy(self, obs: Observation) -> Action:
        """The action without exploration."""

    def update(self, batch: Transition) -> Metrics:
        """One gradient step on `batch`."""

    def policy(self, obs: Tensor) -> Tensor:
        """The greedy actions of observations on the device: int64 [N] or float32 [N, A], without gradients."""

    def q_and_target(self, batch: Transition) -> Mapping[str, tuple[Tensor, Tensor]]:
        """By critic, Q of the batch's actions and its TD target, [N] each, without gradients.

        Nothing is augmented and no generator of the agent advances.
        """

    def end_env_step(self, env_step: int) -> None:
        """Does what is periodic in agent steps (target network), after step number `env_step`."""

    def forward(self, batch: Transition) -> object:
        """Runs every online network eagerly on `batch`, so that hooks see their activations."""

    def hidden_layers(self) -> Sequence[HiddenLayer]:
        """The declared hidden layers of every online network, names unique."""

    def networks(self) -> Sequence[Network]:
        """Every online network, with its target where it has one."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Recycler(Protocol):
    """An intervention on the network between updates."""

    def after_update(self, agent: Agent, counters: Counters, sample: Sampler) -> Metrics:
        """Called after update number `counters.updates` (1-based); returns what it did, {} when nothing was due."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Probe(Protocol):
    """A measurement; it changes nothing."""

    def after_update(self, agent: Agent, counters: Counters, sample: Sampler) -> Metrics:
        """Called after update number `counters.updates` (1-based); returns {} when nothing was due."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@dataclass
class Row:
    """Metrics of one moment of a run."""

    env_steps: int
    updates: int
    values: Mapping[str, float] = field(default_factory=dict)


class Logger(Protocol):
    """A tracker beside the run directory; it gets the same numbers as metrics.csv."""

    def log(self, rows: Sequence[Row]) -> None: ...
    def finish(self, state: str) -> None:
        """`state`: finished, interrupted, preempted or failed."""
