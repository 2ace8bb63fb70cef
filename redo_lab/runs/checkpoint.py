"""Checkpoints on disk, as bytes: a crash at any moment leaves the newest one or the one before, whole.

`<number>.json`: the manifest; its renaming into place is the commit. `<number>-<digest>.state`: named by content, so
that a number committed twice harms neither. `replay/`: immutable segment files that successive checkpoints share.
`*.tmp`: being written, or left by a crash.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from redo_lab.runs.atomic import naming_full_disk, write_bytes
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.record import sync_folder

LOG = logging.getLogger("redo_lab")
VERSION = 2
PICKLED = 1
TEMPORARY = ".tmp"


class CheckpointError(Exception):
    """No checkpoint can be used, or one can't be made."""


class Damage(Exception):
    """What is wrong with one checkpoint."""


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint consists of; `facts` (env_steps, updates, metrics_bytes …) are the caller's, as JSON."""

    number: int
    state: PartFile
    segments: tuple[PartFile, ...]
    facts: Mapping[str, Any]

    def encode(self) -> bytes:
        """JSON that carries its own checksum."""
        values = {
            "format": VERSION,
            "number": self.number,
            "facts": dict(self.facts),
            "state": self.state._asdict(),
            "segments": [segment._asdict() for segment in self.segments],
        }
        content = json.loads(json.dumps(values))
        return (json.dumps({**content, "sha256": _digest_of(content)}, indent=1) + "\n").encode()

    @classmethod
    def read(cls, path: Path) -> Manifest | Damage:
        """The manifest that `encode` gave, or what is wrong with it; CheckpointError for another format."""
        try:
            content = json.loads(path.read_bytes())
            checksum = content.pop("sha256")
        except OSError as error:
            return Damage(f"{path.name} cannot be read ({error.strerror})")
        except (ValueError, AttributeError, KeyError, TypeError):
            return Damage(f"{path.name} is not a manifest")
        if checksum != _digest_of(content):
            return Damage(f"{path.name} is changed (sha256)")
        if content["format"] == PICKLED:
            raise CheckpointError(
                f"{path} is of format {PICKLED}, whose state is a pickle, which could execute code when it is read; "
                f"for a run of your own `python -m redo_lab.attempt.convert {path.parent.parent}` makes it {VERSION}"
            )
        if content["format"] != VERSION:
            raise CheckpointError(f"{path} is of format {content['format']}; this redo_lab reads format {VERSION}")
        segments = tuple(PartFile(**segment) for segment in content["segments"])
        return cls(content["number"], PartFile(**content["state"]), segments, content["facts"])


class Checkpoint(NamedTuple):
    """A checkpoint whose every byte has been verified."""

    manifest: Manifest
    state: bytes
    segments: tuple[Path, ...]


class Checkpoints:
    """The newest `keep` checkpoints in `folder`. One thread at a time writes segments and commits.

    guard: raises when this process may write no more (`Lease.check`); asked right before anything appears or goes.
    """

    def __init__(self, folder: Path, keep: int = 2, guard: Callable[[], None] | None = None) -> None:
        assert keep >= 1
        self.folder = folder
        self.bulk_folder = folder / "replay"
        self.keep = keep
        self.guard = guard or (lambda: None)

    def commit(self, number: int, state: bytes, segments: Sequence[PartFile], facts: Mapping[str, Any]) -> None:
        """Checkpoint `number` is the newest and on disk for good; if this raises, the newest is this or the one before.

        `segments` lie in `bulk_folder`, synced; afterwards the unnamed ones there are gone (unless still *.tmp), so
        none may be finished early for the next commit. `atomic.DiskFull` says what was needed.
        """
        digest = hashlib.sha256(state).hexdigest()
        state_file = PartFile(f"{number}-{digest[:12]}.state", len(state), digest)
        manifest = Manifest(number, state_file, tuple(segments), facts)
        encoded = manifest.encode()
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
                if state_file not in [manifest.state for manifest in self._readable()]:
                    (self.folder / state_file.name).unlink(missing_ok=True)
                raise
            sync_folder(self.folder)
        self._collect(number)

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint; None if none was ever committed. Changes nothing.

        Warns of what is damaged and what is lost by that; CheckpointError if all are damaged.
        """
        manifests = self._manifests()
        problems = self._unfinished(max(manifests, default=-1))
        for number in sorted(manifests, reverse=True):
            try:
                found = self._verified(manifests[number])
            except Damage as damage:
                problems.append(f"{_label(number, manifests[number])} is damaged: {damage}")
                continue
            _warn(problems, _label(number, found.manifest))
            return found
        if manifests:
            raise CheckpointError(f"no whole checkpoint in {self.folder}: {'; '.join(problems)}")
        _warn(problems, "the start")
        return None

    def rewind(self, number: int | None) -> None:
        """The folder holds checkpoint `number`, older ones and nothing else: no newer ones, leftovers, loose segments.

        For a run that goes on from `number` (None: from its start), before its metrics are cut back and before
        anything is written: a newer checkpoint, were it to become readable again, would not fit the metrics.
        """
        self._collect(number)
        for path in _files(self.bulk_folder, TEMPORARY):
            path.unlink()

    def bytes_on_disk(self) -> int:
        """Of everything in the folder, leftovers included."""
        return sum(path.stat().st_size for path in (*_files(self.folder), *_files(self.bulk_folder)))

    def _collect(self, number: int | None) -> None:
        self.guard()
        manifests = self._manifests()
        readable = sorted(self._readable(), key=lambda manifest: manifest.number)
        kept = [manifest for manifest in readable if number is not None and manifest.number <= number][-self.keep :]
        # Manifests first: a state without a manifest is a leftover, a manifest without its state is damage.
        for at in set(manifests) - {manifest.number for manifest in kept}:
            (self.folder / f"{at}.json").unlink(missing_ok=True)
        named = {file.name for manifest in kept for file in (manifest.state, *manifest.segments)}
        for path in (*_files(self.folder, ".state"), *_files(self.folder, TEMPORARY), *_files(self.bulk_folder)):
            if path.name not in named and (path.parent == self.folder or path.suffix != TEMPORARY):
                path.unlink(missing_ok=True)

    def _manifests(self) -> dict[int, Manifest | Damage]:
        return {int(path.stem): Manifest.read(path) for path in _files(self.folder, ".json") if path.stem.isdecimal()}

    def _readable(self) -> list[Manifest]:
        return [manifest for manifest in self._manifests().values() if isinstance(manifest, Manifest)]

    def _verified(self, manifest: Manifest | Damage) -> Checkpoint:
        if isinstance(manifest, Damage):
            raise manifest
        state = self.folder / manifest.state.name
        segments = tuple(self.bulk_folder / segment.name for segment in manifest.segments)
        for path, expected in zip((state, *segments), (manifest.state, *manifest.segments), strict=True):
            _verify(path, expected)
        return Checkpoint(manifest, state.read_bytes(), segments)

    def _unfinished(self, newest: int) -> list[str]:
        numbers = [path.stem.partition("-")[0] for path in _files(self.folder, ".state")]
        return [
            f"checkpoint {number} has a state and no manifest (killed as it was written, or {number}.json was deleted)"
            for number in numbers
            if number.isdecimal() and int(number) > newest
        ]

    def _require_segments(self, manifest: Manifest) -> None:
        for segment in manifest.segments:
            path = self.bulk_folder / segment.name
            if not path.is_file() or path.stat().st_size != segment.bytes:
                raise CheckpointError(f"checkpoint {manifest.number} needs {path} of {segment.bytes} bytes")


def _verify(path: Path, expected: PartFile) -> None:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != expected.bytes:
                raise Damage(f"{path.name} has {size} bytes instead of {expected.bytes}")
            if hashlib.file_digest(file, "sha256").hexdigest() != expected.sha256:
                raise Damage(f"{path.name} is changed (sha256)")
    except OSError as error:
        raise Damage(f"{path.name} cannot be read ({error.strerror})") from error


def _label(number: int, manifest: Manifest | Damage) -> str:
    if isinstance(manifest, Damage) or "env_steps" not in manifest.facts:
        return f"checkpoint {number}"
    return f"checkpoint {number} (env_steps {manifest.facts['env_steps']})"


def _warn(problems: Sequence[str], start: str) -> None:
    if problems:
        LOG.warning("%s; the run goes on from %s: all after it is lost and done again", "; ".join(problems), start)


def _files(folder: Path, suffix: str | None = None) -> list[Path]:
    paths = folder.iterdir() if folder.is_dir() else ()
    return [path for path in paths if path.is_file() and suffix in (None, path.suffix)]


def _digest_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
