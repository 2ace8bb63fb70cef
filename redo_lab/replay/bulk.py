"""The replay as a checkpointer sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from redo_lab.replay import segments
from redo_lab.replay.ring import Replay
from redo_lab.replay.segments import Segment, SegmentFile
from redo_lab.runs.bulk import Bulk, PartFile, Snapshot

EVERY_ENTRY = 10**12


@dataclass(frozen=True)
class Entries(Snapshot):
    """The stored entries of one moment: those in files already, and new ones; none before `oldest` is needed."""

    files: Sequence[SegmentFile]
    new: Sequence[Segment]
    oldest: int

    def write(self, folder: Path, guard: Callable[[], None], rest: Callable[[], None]) -> list[PartFile]:
        new_files = [segments.write(segment, folder, guard, rest) for segment in self.new]
        needed = segments.needed([*self.files, *new_files], self.oldest)
        return [PartFile(file.name, file.bytes, file.sha256) for file in needed]


class ReplayBulk(Bulk):
    """A replay's entries; its counters are in `Replay.state_dict`."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay

    @property
    def empty(self) -> bool:
        return self.replay.added == 0

    def capture(self, saved: Sequence[PartFile], *, copied: bool) -> Entries:
        files = [SegmentFile(*file) for file in saved]
        first = files[-1].stop if files else 0
        headroom = EVERY_ENTRY if copied else segments.SEGMENT_ENTRIES
        return Entries(files, segments.capture(self.replay, first, headroom), self.replay.oldest)

    def load(self, folder: Path, files: Sequence[PartFile]) -> None:
        segments.load(self.replay, self.replay.state_dict(), folder, [SegmentFile(*file) for file in files])
