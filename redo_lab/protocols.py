"""What the parts of a study must be able to do: the protocols that every part inherits explicitly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from redo_lab.experience import Footage
from redo_lab.types import (
    Action,
    Batch,
    Counters,
    Metrics,
    Observation,
    Progress,
    Row,
    Sampler,
    Transition,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from redo_lab.neurons.hooks import Hooks
    from redo_lab.neurons.layers import HiddenLayer, Network
    from redo_lab.runs.bulk import Bulk


class Learner(Protocol):
    """Networks that are trained: all that recyclers, regularisers and most probes need."""

    @abstractmethod
    def forward(self, batch: Batch) -> object:
        """Runs every online network eagerly on `batch`, so that hooks see their activations."""

    @abstractmethod
    def hidden_layers(self) -> Sequence[HiddenLayer]:
        """The declared hidden layers of every online network, names unique."""

    @abstractmethod
    def networks(self) -> Sequence[Network]:
        """Every online network, with its target where it has one, always in the same order."""

    @property
    @abstractmethod
    def optimizers(self) -> Sequence[torch.optim.Optimizer]: ...
    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...
    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Trained(Learner, Protocol):
    """A learner that makes its own gradient steps."""

    @abstractmethod
    def update(self, batch: Batch, hooks: Hooks = ...) -> Metrics:
        """One gradient step on `batch`, in which the interventions of `hooks` take part.

        The metrics are good until the next update, which may write to the same memory.
        """


class Actor(Protocol):
    """It chooses actions."""

    @abstractmethod
    def act(self, obs: Observation, env_step: int) -> Action:
        """The exploring action at `env_step` (agent steps taken so far)."""

    @abstractmethod
    def greedy(self, obs: Observation) -> Action:
        """The action without exploration."""

    @abstractmethod
    def policy(self, obs: Tensor) -> Tensor:
        """The greedy actions of a batch of observations: int64 [N] or float32 [N, A], without gradients."""


class TDCritic(Protocol):
    """It has values and knows what they are trained towards."""

    @abstractmethod
    def q_and_target(self, batch: Transition) -> Mapping[str, tuple[Tensor, Tensor]]:
        """By critic, Q of the batch's actions and its TD target, [N] each, without gradients.

        Nothing is augmented and no generator of the agent advances.
        """


class Agent(Trained, Actor, TDCritic, Protocol):
    """What online training needs."""

    batch_size: int
    warmup_env_steps: int
    update_period_env_steps: int
    act_ahead: bool = False
    """Whether an action is chosen before the updates of the step that its observation ends, not after them."""

    @abstractmethod
    def end_env_step(self, env_step: int) -> None:
        """Does what is periodic in agent steps (target network), after step number `env_step`."""


class Stateful(Protocol):
    """What it remembers is in the checkpoint."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...
    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class Regulariser(Stateful, Protocol):
    """An intervention in the loss; built with the `learner`, before its first update.

    Its penalty is logged as <name>/penalty.
    """

    name: str

    @abstractmethod
    def loss(self, network: Network, batch: Batch, sample: Sampler) -> Tensor:
        """What is added to the loss that trains `network` on `batch`, a 0-d tensor; `sample` draws further batches."""


@runtime_checkable
class GradientHook(Stateful, Protocol):
    """An intervention between the backward pass and the optimizer's step."""

    @abstractmethod
    def before_step(self, network: Network) -> None:
        """The gradients of `network` are in `.grad`; they may be read and changed in place."""


@runtime_checkable
class ActivationHook(Stateful, Protocol):
    """An intervention that wants the activations of the training batch."""

    @abstractmethod
    def watch(self, network: Network, activations: Sequence[Tensor]) -> None:
        """The outputs of `network.hidden` in the forward pass of its own loss, without gradients, one a layer."""


class Recycler(Stateful, Protocol):
    """An intervention on the network between updates."""

    @abstractmethod
    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Called after update number `counters.updates` (1-based); returns what it did, {} when nothing was due."""


Needed = TypeVar("Needed", contravariant=True)
"""What a probe needs: Learner, Actor or TDCritic."""


class Probe(Stateful, Protocol[Needed]):
    """A measurement; it changes nothing."""

    @abstractmethod
    def after_update(self, learner: Needed, counters: Counters, sample: Sampler) -> Metrics:
        """Called after update number `counters.updates` (1-based); returns {} when nothing was due."""


class Journal(Protocol):
    """Where a study writes what it measures."""

    @property
    def latest(self) -> Mapping[str, float]:
        """The newest value of each name, as far as it is known on the host."""

    def add(self, counters: Counters, values: Mapping[str, Tensor | float]) -> None:
        """`values` belong to this moment."""

    def give_up(self, reason: str) -> None:
        """The run has failed for this `reason`, which its status says; the process is about to end."""


class Study(Protocol):
    """What one run does, from its config alone; everything random comes from its own named generators."""

    bulk: Bulk | None = None
    """Big state that grows mostly at its end, saved incrementally: a replay; None where there is none."""

    @abstractmethod
    def steps(self) -> Iterator[None]:
        """Does all that is left, and yields wherever it may be stopped, saved and reported."""

    @abstractmethod
    def progress(self) -> Progress: ...
    @abstractmethod
    def clocks(self) -> Counters:
        """The moment, on the two clocks of the metrics."""

    @abstractmethod
    def headline(self) -> Mapping[str, float]:
        """The few numbers worth a column of `status`."""

    def film(self) -> Footage:
        """A game by what it has learned so far. Nothing of the run changes, and no generator of it advances.

        Only called if the study's blueprint has passed `check_film`.
        """
        raise AssertionError(f"{type(self).__name__} plays no games")

    def lose_bulk(self) -> None:
        """The checkpoint that was loaded has no bulk: the next steps make up for it as well as they can."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that changes but the contents of `bulk`, valid whenever `steps` has yielded."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`; the contents of `bulk` are loaded apart."""


class Logger(Protocol):
    """A tracker beside the run directory; it gets the same numbers as metrics.csv."""

    @classmethod
    def check_start(cls, config: Any) -> None:
        """Raises ConfigError if a run that starts here and now could not be tracked."""

    @abstractmethod
    def log(self, rows: Sequence[Row]) -> None: ...
    @abstractmethod
    def finish(self, state: str) -> None:
        """`state`: finished, interrupted, preempted or failed."""
