"""Run directories that someone has tampered with: links out of them, lost files, pickles."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path

from redo_lab.runs import manifest
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.manifest import Manifest
from tests.faults.files import half_done, newest, whole_run
from tests.faults.runs import KILLED, expect, require, require_message, require_same, train


def link(name: str, root: Path, chance: random.Random) -> None:
    """A start is refused where `name` is a link, and what it points to is as it was; without it the run goes on."""
    whole, directory = whole_run(root), half_done(root / "linked")
    path, elsewhere = directory / name, root / "elsewhere"
    path.rename(elsewhere)
    before = contents(elsewhere)
    path.symlink_to(elsewhere)
    code = train(directory)
    require(code not in (0, KILLED), f"exit code {code}")
    require_message(directory, "is a link")
    require(contents(elsewhere) == before, "what the link points to was changed")
    path.unlink()
    elsewhere.rename(path)
    expect(train(directory), 0, directory)
    require_same(directory, whole)


def contents(path: Path) -> dict[str, bytes]:
    paths = path.rglob("*") if path.is_dir() else [path]
    return {str(file): file.read_bytes() for file in paths if file.is_file()}


def lost_throughput(how: str, root: Path, chance: random.Random) -> None:
    """The run goes on, and its metrics are those of one that nothing happened to."""
    whole, directory = whole_run(root), half_done(root / "lost")
    path = directory / "throughput.csv"
    content = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(content[: chance.randrange(len(content) // 2)])
    expect(train(directory), 0, directory)
    require_same(directory, whole)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def foreign_pickle(version: int, root: Path, chance: random.Random) -> None:
    """A state that is a pickle is refused, whatever its manifest says of it, and nothing in it is executed."""
    directory = half_done(root / "foreign")
    content = pickle.dumps(Bomb(root / "executed"))
    for checkpoint in newest(directory):
        old = json.loads(checkpoint["manifest"].read_text())
        file = PartFile(f"{old['number']}-0123456789ab.state", len(content), hashlib.sha256(content).hexdigest())
        (directory / "checkpoint" / file.name).write_bytes(content)
        segments = tuple(PartFile(**segment) for segment in old["segments"])
        now, manifest.VERSION = manifest.VERSION, version
        checkpoint["manifest"].write_bytes(Manifest(old["number"], file, segments, old["facts"]).encode())
        manifest.VERSION = now
    code = train(directory)
    require(code not in (0, KILLED), f"exit code {code}")
    require_message(directory, "force=true start it anew" if version == manifest.PICKLED else "begin as a state")
    require(not (root / "executed").exists(), "the pickle was executed")
