"""Checkpoints on disk, as bytes: a crash at any moment leaves the newest one or the one before, whole.

`<number>.json`: the manifest; its renaming into place is the commit. `<number>-<digest>.state`: named by content, so
that a number committed twice harms neither. `replay/`: immutable files of bulk state that successive checkpoints share,
named by content, too.
`.*.tmp`: being written, or left by a crash.

A process that lost the lease may learn of it late: if it was stopped between the check and a deletion, it deletes one
more file. So a commit deletes only what no successor writes anew: manifests and states of lower numbers than its own,
and parts that end before its own do. Nothing is deleted whose name isn't one of ours, and nothing through a link.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from redo_lab.runs.atomic import naming_full_disk, write_bytes
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.manifest import (
    PART_NAME,
    PICKLED,
    STATE_NAME,
    TEMPORARY_NAME,
    CheckpointError,
    Damage,
    Manifest,
    files,
    manifests,
    read_verified,
    verify,
)
from redo_lab.runs.record import sync_folder

__all__ = ["Checkpoint", "CheckpointError", "Checkpoints", "Manifest"]

LOG = logging.getLogger("redo_lab")


class Checkpoint(NamedTuple):
    """A checkpoint whose every byte has been verified."""

    manifest: Manifest
    state: bytes
    segments: tuple[Path, ...]


class Checkpoints:
    """The newest `keep` checkpoints in `folder`. One thread at a time writes segments and commits.

    guard: raises when this process may write no more (`Lease.check`); called right before a file appears or is deleted.
    """

    def __init__(self, folder: Path, keep: int = 2, guard: Callable[[], None] | None = None) -> None:
        assert keep >= 1
        self.folder = folder
        self.bulk_folder = folder / "replay"
        self.keep = keep
        self.guard = guard or (lambda: None)

    def commit(self, number: int, state: bytes, segments: Sequence[PartFile], facts: Mapping[str, Any]) -> None:
        """Checkpoint `number` is the newest and on disk for good; if this raises, the newest is this or the one before.

        `segments` lie in `bulk_folder`, synced; afterwards those that end before them and that no checkpoint names are
        gone. `atomic.DiskFull` says what was needed.
        """
        digest = hashlib.sha256(state).hexdigest()
        state_file = PartFile(f"{number}-{digest[:12]}.state", len(state), digest)
        manifest = Manifest(number, state_file, tuple(segments), facts)
        encoded = manifest.encode()
        files(self.folder)
        files(self.bulk_folder)
        with naming_full_disk(self.folder, len(state) + len(encoded)):
            self.bulk_folder.mkdir(parents=True, exist_ok=True)
            self._require_segments(manifest)
            sync_folder(self.folder.parent)
            sync_folder(self.bulk_folder)
            try:
                write_bytes(self.folder / state_file.name, state, self.guard)
                sync_folder(self.folder)
                write_bytes(self.folder / f"{number}.json", encoded, self.guard)
            except BaseException:
                if state_file not in [other.state for other in _readable(manifests(self.folder))]:
                    with suppress(Exception):
                        self._delete([self.folder / state_file.name])
                raise
            sync_folder(self.folder)
        self._collect(manifest)

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint; None if none was ever committed. Changes nothing.

        Warns of what is damaged and what is lost by that; CheckpointError if all are damaged, or one is a pickle.
        """
        files(self.bulk_folder)
        present = manifests(self.folder)
        self._refuse_pickles(present)
        problems = self._unfinished(max(present, default=-1))
        for number in sorted(present, reverse=True):
            try:
                checkpoint = self._verified(present[number])
            except Damage as damage:
                problems.append(f"{_label(number, present[number])} is damaged: {damage}")
                continue
            _warn(problems, _label(number, checkpoint.manifest))
            return checkpoint
        if present:
            raise CheckpointError(f"no whole checkpoint in {self.folder}: {'; '.join(problems)}")
        _warn(problems, "the start")
        return None

    def state(self, number: int | None = None) -> tuple[Manifest, bytes]:
        """The newest checkpoint whose state is whole, or that of this `number`, without its bulk; nothing is changed.

        CheckpointError if there is none, or it is a pickle.
        """
        present = manifests(self.folder)
        if number is not None and number not in present:
            numbers = ", ".join(map(str, sorted(present))) or "none"
            raise CheckpointError(f"{self.folder} has no checkpoint {number}, but: {numbers}")
        chosen = {number: present[number]} if number is not None else present
        self._refuse_pickles(chosen)
        problems = []
        for at in sorted(chosen, reverse=True):
            try:
                manifest = _intact(chosen[at])
                return manifest, read_verified(self.folder / manifest.state.name, manifest.state)
            except Damage as damage:
                problems.append(f"{_label(at, chosen[at])} is damaged: {damage}")
        raise CheckpointError(f"{self.folder} has no whole checkpoint{': ' * bool(problems)}{'; '.join(problems)}")

    def rewind(self, number: int | None) -> None:
        """The folder holds checkpoint `number`, older ones and none of our files besides: no newer ones, no leftovers.

        For a run that goes on from `number` (None: from its start), before its metrics are cut back and before
        anything is written: a newer checkpoint, were it to become readable again, would not fit the metrics.
        """
        present = manifests(self.folder)
        remaining = self._newest_readable(present, number)
        named = _names(remaining)
        self._delete(self.folder / f"{at}.json" for at in set(present) - {manifest.number for manifest in remaining})
        self._delete(path for path in files(self.folder) if STATE_NAME.fullmatch(path.name) and path.name not in named)
        self._delete(
            path for path in files(self.bulk_folder) if PART_NAME.fullmatch(path.name) and path.name not in named
        )
        for folder in (self.folder, self.bulk_folder):
            self._delete(path for path in files(folder) if TEMPORARY_NAME.fullmatch(path.name))

    def bytes_on_disk(self) -> int:
        """Of everything in the folder, leftovers included."""
        return sum(path.stat().st_size for path in (*files(self.folder), *files(self.bulk_folder)))

    def _collect(self, own: Manifest) -> None:
        """What `own` and its predecessors don't need is gone, as far as no successor can have written it."""
        present = manifests(self.folder)
        remaining = self._newest_readable(present, own.number)
        obsolete = {number for number in present if number < own.number} - {manifest.number for manifest in remaining}
        named = _names(manifest for manifest in _readable(present) if manifest.number not in obsolete)
        unneeded = _names(manifest for manifest in _readable(present) if manifest.number in obsolete) - named
        end = max((_end(segment.name) for segment in own.segments), default=0)
        # Manifests first: a state without a manifest is a leftover, a manifest without its state is damage.
        self._delete(self.folder / f"{number}.json" for number in obsolete)
        for path in files(self.folder):
            state = STATE_NAME.fullmatch(path.name)
            if state and int(state[1]) <= own.number and path.name not in named:
                self._delete([path])
        for path in files(self.bulk_folder):
            ours = PART_NAME.fullmatch(path.name) and path.name not in named
            if ours and (path.name in unneeded or _end(path.name) <= end):
                self._delete([path])

    def _delete(self, paths: Iterable[Path]) -> None:
        """All were listed before the lease is checked, so a successor's can't be among them."""
        for path in list(paths):
            self.guard()
            path.unlink(missing_ok=True)

    def _newest_readable(self, present: Mapping[int, Manifest | Damage], number: int | None) -> list[Manifest]:
        readable = sorted(_readable(present), key=lambda manifest: manifest.number)
        return [manifest for manifest in readable if number is not None and manifest.number <= number][-self.keep :]

    def _refuse_pickles(self, present: Mapping[int, Manifest | Damage]) -> None:
        for manifest in _readable(present):
            if manifest.format == PICKLED:
                raise CheckpointError(
                    f"{self.folder / f'{manifest.number}.json'} is of format {PICKLED}, whose state is a pickle, which "
                    f"could execute code: {self.folder.parent} was begun by an older version of redo_lab and can't be "
                    "carried on by this one; what it has measured stays readable, and the words that began it with "
                    "force=true start it anew"
                )

    def _verified(self, manifest: Manifest | Damage) -> Checkpoint:
        manifest = _intact(manifest)
        segments = tuple(self.bulk_folder / segment.name for segment in manifest.segments)
        state = read_verified(self.folder / manifest.state.name, manifest.state)
        for path, expected in zip(segments, manifest.segments, strict=True):
            verify(path, expected)
        return Checkpoint(manifest, state, segments)

    def _unfinished(self, newest: int) -> list[str]:
        numbers = [int(match[1]) for path in files(self.folder) if (match := STATE_NAME.fullmatch(path.name))]
        return [
            f"checkpoint {number} has a state and no manifest (killed as it was written, or {number}.json was deleted)"
            for number in numbers
            if number > newest
        ]

    def _require_segments(self, manifest: Manifest) -> None:
        for segment in manifest.segments:
            path = self.bulk_folder / segment.name
            if not path.is_file() or path.stat().st_size != segment.bytes:
                raise CheckpointError(f"checkpoint {manifest.number} needs {path} of {segment.bytes} bytes")


def _intact(manifest: Manifest | Damage) -> Manifest:
    if isinstance(manifest, Damage):
        raise manifest
    return manifest


def _readable(present: Mapping[int, Manifest | Damage]) -> list[Manifest]:
    return [manifest for manifest in present.values() if isinstance(manifest, Manifest)]


def _names(some: Iterable[Manifest]) -> set[str]:
    return {file.name for manifest in some for file in (manifest.state, *manifest.segments)}


def _end(name: str) -> int:
    match = PART_NAME.fullmatch(name)
    return int(match[2]) if match else 0


def _label(number: int, manifest: Manifest | Damage) -> str:
    if isinstance(manifest, Damage) or "env_steps" not in manifest.facts:
        return f"checkpoint {number}"
    return f"checkpoint {number} (env_steps {manifest.facts['env_steps']})"


def _warn(problems: Sequence[str], start: str) -> None:
    if problems:
        LOG.warning("%s; the run goes on from %s: all after it is lost and done again", "; ".join(problems), start)
