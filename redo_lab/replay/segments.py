"""The replay on disk: immutable files of consecutive entries, so that a checkpoint writes only what is new.

Each block of frames is XORed with the frame before, then deflated as runs alone (zlib's Z_RLE): 120-190 bytes a frame
of Seaquest, Road Runner and Demon Attack; zlib -1: 190-300; -6: 150-200; lzma -0: 70-130 at a quarter of the speed.
zlib-ng does it 4 times as fast as zlib, reading and writing, in the same format (docs/reliability.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from redo_lab.replay.frames import DeviceFrames
from redo_lab.runs.atomic import write_bytes
from redo_lab.runs.bulk import OverwrittenError

if TYPE_CHECKING:
    from redo_lab.replay.ring import Replay

FORMAT = 1
SEGMENT_ENTRIES = 32_768
"""The most entries in one file: 231 MB of Atari frames, some 6 MB on disk; reading and writing hold one at a time."""
BLOCK_ENTRIES = 64


@dataclass(frozen=True)
class Segment:
    """The entries [first, stop) at the moment of `capture`.

    layout: what a replay must share to load them. metadata: actions, rewards, ends and history of the entries
    [metadata_first, stop), copied. frames: of entry i at (i - offset) % len(frames), shared with `ring`, or a copy
    where `ring` is None.
    """

    first: int
    stop: int
    layout: dict[str, Any]
    metadata_first: int
    metadata: list[NDArray[Any]]
    frames: NDArray[Any] | DeviceFrames
    offset: int
    ring: Replay | None

    @property
    def span(self) -> str:
        """From where to where, as in the file's name."""
        return f"{self.first:012d}-{self.stop:012d}"

    def frame_bytes(self, first: int, stop: int) -> NDArray[np.uint8]:
        """A copy of the frames of [first, stop), [stop - first, bytes of a frame]; OverwrittenError if they are gone.

        An entry's frame changes only when the entry `capacity` later is added, which happens before `added` counts it.
        """
        slots = (np.arange(first, stop) - self.offset) % len(self.frames)
        frames = self.frames[slots]
        if self.ring is not None and (added := self.ring.added) - first >= len(self.frames):
            raise OverwrittenError(
                f"entry {first} was overwritten before segment {self.span} was written: "
                f"{added} entries are added to a ring of {len(self.frames)}"
            )
        return _bytes_of(frames)


@dataclass(frozen=True)
class SegmentFile:
    """A written segment, as a checkpoint's manifest lists it."""

    name: str
    bytes: int
    sha256: str

    @property
    def first(self) -> int:
        """The number of its first entry."""
        return int(self.name.split("-")[0])

    @property
    def stop(self) -> int:
        """The number after that of its last entry."""
        return int(self.name.removesuffix(".segment").split("-")[1])


def capture(replay: Replay, first: int, headroom: int = SEGMENT_ENTRIES) -> list[Segment]:
    """The stored entries from `first` on, in segments that stay as they are now while the replay goes on.

    Copies no frame but those that `headroom` further entries might overwrite (milliseconds for a ring much longer than
    that, whatever the range). The segments also hold the metadata of the entry before `first`, which the step taken
    there, or a reset, changed after it was saved. `replay.state_dict()` of the same moment completes them.
    """
    starts = range(max(first, replay.oldest), replay.added, SEGMENT_ENTRIES)
    return [_capture(replay, start, min(start + SEGMENT_ENTRIES, replay.added), headroom) for start in starts]


def _capture(replay: Replay, first: int, stop: int, headroom: int) -> Segment:
    metadata_first = max(first - 1, replay.oldest)
    slots = np.arange(metadata_first, stop) % replay.config.capacity
    metadata = [array[slots] for array in _metadata(replay)]
    untouched_for = replay.config.capacity - (replay.added - first)
    if untouched_for > headroom:
        return Segment(first, stop, _layout(replay), metadata_first, metadata, replay.frames, offset=0, ring=replay)
    frames = replay.frames[slots[first - metadata_first :]]
    return Segment(first, stop, _layout(replay), metadata_first, metadata, frames, offset=first, ring=None)


def _metadata(replay: Replay) -> list[NDArray[Any]]:
    return [replay.actions, replay.rewards, replay.ends, replay.history]


def _layout(replay: Replay) -> dict[str, Any]:
    return {
        "capacity": replay.config.capacity,
        "stack": replay.spec.stack,
        "frame_shape": list(replay.frames.shape[1:]),
        "frame_dtype": replay.frames.dtype.str,
        "action_shape": list(replay.actions.shape[1:]),
        "action_dtype": replay.actions.dtype.str,
    }


def write(
    segment: Segment, folder: Path, guard: Callable[[], None] | None = None, rest: Callable[[], None] | None = None
) -> SegmentFile:
    """`folder` holds the segment's file, whole and on disk, or nothing of it; for a background thread.

    It is named by its content, too: a replay that was lost and filled anew has other entries of the same numbers, and
    an older checkpoint still needs the first ones.

    `guard` is called right before the file appears, `rest` after each millisecond or so of work. Raises
    OverwrittenError where training was faster, OSError where the disk is full.
    """
    starts = range(segment.first, segment.stop, BLOCK_ENTRIES)
    metadata = zlib_ng.compress(b"".join(array.tobytes() for array in segment.metadata), level=1)
    blocks = []
    for start in starts:
        blocks.append(_pack(segment.frame_bytes(start, min(start + BLOCK_ENTRIES, segment.stop))))
        if rest is not None:
            rest()
    header = {
        "format": FORMAT,
        **segment.layout,
        "first": segment.first,
        "stop": segment.stop,
        "metadata_first": segment.metadata_first,
        "metadata_bytes": len(metadata),
        "block_entries": BLOCK_ENTRIES,
        "block_bytes": [len(block) for block in blocks],
    }
    content = b"".join([json.dumps(header).encode() + b"\n", metadata, *blocks])
    digest = hashlib.sha256(content).hexdigest()
    name = f"{segment.span}-{digest[:12]}.segment"
    write_bytes(folder / name, content, guard)
    return SegmentFile(name, len(content), digest)


def _pack(frames: NDArray[np.uint8]) -> bytes:
    changes = frames.copy()
    changes[1:] ^= frames[:-1]
    deflate = zlib_ng.compressobj(level=1, strategy=zlib_ng.Z_RLE)
    return deflate.compress(changes.data) + deflate.flush()


def _unpack(block: bytes | memoryview, frames: NDArray[np.uint8]) -> None:
    """`frames`, [entries, bytes of a frame], are those of `block`."""
    changes = np.frombuffer(zlib_ng.decompress(block, bufsize=frames.nbytes), np.uint8).reshape(frames.shape)
    frames[0] = changes[0]
    for before, change, frame in zip(frames, changes[1:], frames[1:], strict=False):  # faster than xor.accumulate
        np.bitwise_xor(before, change, out=frame)


def needed(files: Sequence[SegmentFile], oldest: int) -> list[SegmentFile]:
    """Those that hold an entry still stored where `oldest` is the oldest one; the ring has overwritten the others."""
    return [file for file in files if file.stop > oldest]


def load(replay: Replay, state: Mapping[str, Any], folder: Path, files: Sequence[SegmentFile]) -> None:
    """`replay` is as it was when `state` was its state_dict and `files`, together, held its entries.

    Raises ValueError, naming the file, where one is missing, damaged or of another kind of replay, or where an entry is
    in none; the counters are then unchanged, and another checkpoint may be loaded. Older entries are passed over.
    """
    added = state["added"]
    oldest = added - min(added, replay.config.capacity)
    ordered = sorted(needed(files, oldest), key=lambda file: file.first)
    reached = oldest
    for file in ordered:
        if file.first > reached:
            break
        reached = file.stop
    if reached != added:
        raise ValueError(f"{folder}: entries {oldest} to {added} are stored, but its segments reach only to {reached}")
    for file in ordered:
        _load_file(replay, _read(folder / file.name, file), folder / file.name, oldest)
    replay.load_state_dict(state)


def _read(path: Path, file: SegmentFile) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"replay segment {path} cannot be read: {error.strerror}") from error
    if len(content) != file.bytes:
        raise ValueError(f"replay segment {path} is damaged: it has {len(content)} bytes, not {file.bytes}")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ValueError(f"replay segment {path} is damaged: its checksum differs")
    return content


def _load_file(replay: Replay, content: bytes, path: Path, oldest: int) -> None:
    start = content.index(b"\n") + 1
    header, body = json.loads(content[:start]), memoryview(content)[start:]
    for key, expected in {"format": FORMAT, **_layout(replay)}.items():
        if header[key] != expected:
            raise ValueError(f"replay segment {path} has {key} {header[key]}, expected {expected}")
    end = header["metadata_bytes"]
    _load_metadata(replay, zlib_ng.decompress(body[:end]), header["metadata_first"], header["stop"], oldest)
    first = header["first"]
    for size in header["block_bytes"]:
        entries = np.arange(first, min(first + header["block_entries"], header["stop"]))
        if entries[-1] >= oldest:
            _load_block(replay, body[end : end + size], entries, oldest)
        first, end = first + len(entries), end + size


def _load_block(replay: Replay, block: memoryview, entries: NDArray[np.int64], oldest: int) -> None:
    ring, stored = replay.frames, entries >= oldest
    slot = entries[0] % len(ring)
    if isinstance(ring, np.ndarray) and stored.all() and slot + len(entries) <= len(ring):
        _unpack(block, _bytes_of(ring[slot : slot + len(entries)]))
        return
    frames = np.empty((len(entries), *ring.shape[1:]), ring.dtype)
    _unpack(block, _bytes_of(frames))
    ring[entries[stored] % len(ring)] = frames[stored]


def _bytes_of(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """A view [entries, bytes of a frame]."""
    return frames.reshape(len(frames), -1).view(np.uint8)


def _load_metadata(replay: Replay, content: bytes, first: int, stop: int, oldest: int) -> None:
    entries = np.arange(first, stop)
    stored = entries >= oldest
    offset = 0
    for array in _metadata(replay):
        values = np.frombuffer(content, array.dtype, len(entries) * array[0].size, offset)
        array[entries[stored] % len(array)] = values.reshape(len(entries), *array.shape[1:])[stored]
        offset += values.nbytes
