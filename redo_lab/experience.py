"""What a study learns from: environments, images and recorded replays, as protocols that each inherits explicitly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from redo_lab.types import Action, EnvSpec, LabelledImages, Observation, Step

if TYPE_CHECKING:
    import torch

    from redo_lab.replay.ring import Replay


class Data(Protocol):
    """Images to learn from. The `Config` of its class has `samples`: how many of them train."""

    classes: ClassVar[int]
    obs_shape: ClassVar[tuple[int, int, int]]

    @staticmethod
    @abstractmethod
    def check_machine(config: Any) -> None:
        """Raises ConfigError if this machine has no such images and isn't to fetch them."""

    @abstractmethod
    def load(self) -> tuple[LabelledImages, LabelledImages]:
        """The training and the test set, always the same."""


class Recording(Protocol):
    """A replay that was recorded, in parts of which one at a time is in memory.

    Its class is built with `game`, `spec` and `clip_rewards`. Its `Config` has `part_updates`: so many updates are made
    on a part before the next one is loaded.
    """

    @classmethod
    @abstractmethod
    def check_machine(cls, config: Any, *, game: str, spec: EnvSpec) -> int:
        """The most entries of a part; raises ConfigError if this machine has no such recording of such frames."""

    @abstractmethod
    def parts(self) -> Sequence[int]:
        """The numbers of all parts that are learned from."""

    @abstractmethod
    def load(self, part: int, config: Replay.Config, device: torch.device) -> Generator[None, None, Replay]:
        """The first entries of a part, as many as fit; yields while it loads."""


class Env(Protocol):
    """One environment; `step` after a step that terminated or truncated is an error until `reset`."""

    spec: EnvSpec

    @abstractmethod
    def reset(self) -> Observation: ...
    @abstractmethod
    def step(self, action: Action) -> Step: ...
    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...
    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class Rendered(Protocol):
    """An environment that can be watched. frames_per_second: of a video of one frame an agent step, at real speed."""

    frames_per_second: float

    @abstractmethod
    def render(self) -> NDArray[np.uint8]:
        """What a person sees now: uint8 [H, W, 3]. Nothing in the environment changes."""


class Footage(Protocol):
    """A game to be looked at, once. frames_per_second: at real speed; game_return: None before the game has ended."""

    frames_per_second: float
    game_return: float | None

    @abstractmethod
    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """What a person sees after each agent step, uint8 [H, W, 3]; the game is played as they are drawn."""
