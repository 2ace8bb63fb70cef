"""What a checkpoint consists of, as JSON that anyone may have written: everything in it is checked before use."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from redo_lab.runs.atomic import open_regular
from redo_lab.runs.bulk import PartFile

VERSION = 2
PICKLED = 1
"""The format whose state was a pickle."""
MAX_BYTES = 2**24
NAME = re.compile(r"(\d{1,19})\.json")
STATE_NAME = re.compile(r"(\d{1,19})-[0-9a-f]{12}\.state")
PART_NAME = re.compile(r"(\d{12})-(\d{12})(?:-[0-9a-f]{12})?\.segment")
"""From where to where, and of what content; that was once left out."""
TEMPORARY_NAME = re.compile(rf"\.({NAME.pattern}|{STATE_NAME.pattern}|{PART_NAME.pattern})\.[0-9a-f]{{32}}\.tmp")


class CheckpointError(Exception):
    """No checkpoint can be used, or one can't be written."""


class Damage(Exception):
    """What is wrong with one checkpoint."""


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint consists of; `facts` (env_steps, updates, metrics_bytes …) are the caller's, as JSON."""

    number: int
    state: PartFile
    segments: tuple[PartFile, ...]
    facts: Mapping[str, Any]
    format: int = VERSION

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
        """The manifest that `encode` gave, or what is wrong with it; CheckpointError for a format we don't know."""
        try:
            with open_regular(path, follow=False) as file:
                text = file.read(MAX_BYTES + 1)
            if len(text) > MAX_BYTES:
                return Damage(f"{path.name} is too long for a manifest")
            content = json.loads(text)
            checksum = content.pop("sha256")
            if checksum != _digest_of(content):
                return Damage(f"{path.name} is changed (sha256)")
            if content["format"] not in (PICKLED, VERSION):
                raise CheckpointError(f"{path} is of format {content['format']}; this redo_lab reads format {VERSION}")
            segments = tuple(_file(segment, PART_NAME) for segment in content["segments"])
            state = _file(content["state"], STATE_NAME)
            return cls(int(content["number"]), state, segments, dict(content["facts"]), content["format"])
        except OSError as error:
            return Damage(f"{path.name} cannot be read ({error.strerror})")
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            return Damage(f"{path.name} is not a manifest")


def manifests(folder: Path) -> dict[int, Manifest | Damage]:
    """By number, all that lie in `folder`."""
    matches = [(NAME.fullmatch(path.name), path) for path in files(folder)]
    return {int(match[1]): Manifest.read(path) for match, path in matches if match}


def files(folder: Path) -> list[Path]:
    """The regular files in `folder`, links not among them; CheckpointError if `folder` is itself a link."""
    if folder.is_symlink():
        raise CheckpointError(f"{folder} is a link to {folder.readlink()}: a checkpoint is never written through one")
    paths = folder.iterdir() if folder.is_dir() else ()
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def read_verified(path: Path, expected: PartFile) -> bytes:
    """What `path` holds; Damage if that isn't what the manifest says."""
    try:
        with open_regular(path, follow=False) as file:
            _require_size(path, file, expected)
            content = file.read(expected.bytes)
    except OSError as error:
        raise Damage(f"{path.name} cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise Damage(f"{path.name} is changed (sha256)")
    return content


def verify(path: Path, expected: PartFile) -> None:
    """Damage if `path` isn't what the manifest says; read piece by piece."""
    try:
        with open_regular(path, follow=False) as file:
            _require_size(path, file, expected)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Damage(f"{path.name} cannot be read ({error.strerror})") from error
    if digest != expected.sha256:
        raise Damage(f"{path.name} is changed (sha256)")


def _require_size(path: Path, file: BufferedIOBase, expected: PartFile) -> None:
    size = os.fstat(file.fileno()).st_size
    if size != expected.bytes:
        raise Damage(f"{path.name} has {size} bytes instead of {expected.bytes}")


def _file(values: Mapping[str, Any], name: re.Pattern[str]) -> PartFile:
    file = PartFile(**values)
    if not name.fullmatch(file.name):
        raise ValueError(f"{file.name} is no name of ours")
    return file


def _digest_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
