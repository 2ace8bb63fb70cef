"""What `study=` names: a kind of study as its config describes it, checked whole before anything is built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from redo_lab.config import ConfigError
from redo_lab.protocols import Journal, Study
from redo_lab.seeding import Seeds

if TYPE_CHECKING:
    import torch


class Blueprint(Protocol):
    """A checked study before it is built. Its `Config` is the schema of the root nodes that the study owns.

    Constructing one parses every part and checks them against each other; ConfigError says what can't work. Nothing is
    built, written or drawn.
    """

    Config: ClassVar[type[Any]]
    total: int
    """The length of a run, in `unit`."""
    unit: str
    frames_per_step: int = 1
    """Frames that one of env_steps stands for."""
    scored_by: str
    """The metric that scores a run: the values of its last tenth are what methods are compared by."""
    score_word: str
    """What such a value is called in tables and on axes: return, accuracy, loss."""
    higher_is_better: bool
    """Whether of two scores the higher is the better one."""
    clocks: Mapping[str, str]
    """What the two clocks of the metrics, env_steps and updates, count in this study."""

    @staticmethod
    @abstractmethod
    def planned_updates(root: Mapping[str, Any]) -> int:
        """The gradient steps of the run that `root` describes, the composed config before anything of it is checked."""

    @abstractmethod
    def axes(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """What a sweep of such runs varies, by name, without scale and seed; `choices` are those of Hydra's groups."""

    same_pace_axes: tuple[str, ...] = ()
    """Of `axes` those whose value leaves the pace of a run as it is, such as which instance of its task it does."""

    def idle(self) -> Mapping[str, str]:
        """Keys that nothing in such a run depends on, though its parts have them, with the reason; setting one is
        refused."""
        return {}

    @abstractmethod
    def label(self, axes: Mapping[str, Any]) -> list[str]:
        """The words of `axes` that name a run for a reader: dqn, breakout, rr1, redo."""

    def memory_bytes(self) -> int:
        """The host's memory that a run takes at its fullest, as far as it is worth knowing."""
        return 0

    def saved_bytes(self) -> int:
        """What of that lies on disk while a run is under way, if checkpoint.replay=true; uncompressed."""
        return 0

    def check_device(self, device: torch.device) -> None:
        """Raises ConfigError if no device of this kind, on whatever machine, can do what the study's settings say."""

    def check_machine(self, device: torch.device) -> None:
        """Raises ConfigError, saying what would do, if this machine or `device` lacks what the study needs."""

    def check_film(self) -> None:
        """Raises ConfigError unless the study can be filmed (`Study.film`) while it goes on."""
        raise ConfigError(f"study={type(self).__name__.lower()} plays no games that could be filmed")

    @abstractmethod
    def start(self, seeds: Seeds, device: torch.device, journal: Journal) -> Study:
        """The study, every part built and seeded, at its beginning."""
