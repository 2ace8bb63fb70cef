"""Big state of a study that mostly grows (a replay), saved as files that successive checkpoints share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class OverwrittenError(Exception):
    """The study changed what was captured before it was written; capture again, with `copied`."""


class PartFile(NamedTuple):
    """A file as a manifest knows it."""

    name: str
    bytes: int
    sha256: str


class Snapshot(Protocol):
    """Bulk state as it was at one moment, while the study goes on."""

    def write(self, folder: Path, guard: Callable[[], None], rest: Callable[[], None]) -> Sequence[PartFile]:
        """All files that the moment needs, those of earlier checkpoints included; the new ones are in `folder`, synced.

        For a background thread. `guard` is called right before a file appears, `rest` after each short piece of work.
        Raises OverwrittenError where the study was faster.
        """


class Bulk(Protocol):
    """What a checkpointer needs of bulk state; everything small about it is in the study's `state_dict`."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to save or to load."""

    def capture(self, saved: Sequence[PartFile], *, copied: bool) -> Snapshot:
        """This moment, of which the files `saved` hold what the last checkpoint covered.

        copied: nothing is shared with the study, so that the writing can't come too late; slower, and takes memory.
        """

    def load(self, folder: Path, files: Sequence[PartFile]) -> None:
        """The contents are those of `files`, after the study's `load_state_dict`; ValueError names a file that isn't
        whole or is of another kind."""
