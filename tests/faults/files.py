"""Damaged checkpoints, full disks, read-only disks."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redo_lab.attempt.checkpointer import Checkpointer
from redo_lab.runs.checkpoint import Checkpoints
from tests.faults.moments import Moment
from tests.faults.runs import (
    COMMON,
    KILLED,
    PLAIN,
    Wrong,
    ended,
    expect,
    fork,
    main,
    output,
    prepare,
    require,
    require_message,
    require_same,
    said,
    status_of,
    train,
)

Harm = Callable[[Path, random.Random], None]


class Skipped(Exception):
    """Why a fault could not be tried here."""


def truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def delete(path: Path, chance: random.Random) -> None:
    path.unlink()


HARMS: dict[str, Harm] = {"truncated": truncate, "bit_flipped": flip, "deleted": delete}
VICTIMS = ("state", "manifest", "segment")


def half_done(root: Path, words: list[str] = PLAIN) -> Path:
    """A run that was killed in the middle."""
    directory = prepare(root, words)
    expect(train(directory, Moment("training", 320, 0).arm), KILLED, directory)
    return directory


def whole_run(root: Path) -> Path:
    """The run that nothing happened to; the faults beside this one share it."""
    directory = prepare(root.parent / "whole", PLAIN)
    if not (directory / "status.json").exists():
        expect(train(directory), 0, directory)
    return directory


def newest(directory: Path) -> list[dict[str, Path]]:
    """The files of the checkpoints, newest first; a segment is one that the checkpoint before doesn't have."""
    folder = directory / "checkpoint"
    manifests = sorted(folder.glob("*.json"), key=lambda path: int(path.stem), reverse=True)
    found = []
    for path in manifests:
        content = json.loads(path.read_text())
        segment = folder / "replay" / content["segments"][-1]["name"]
        found.append({"manifest": path, "state": folder / content["state"]["name"], "segment": segment})
    return found


def damage(victim: str, harm: str, root: Path, chance: random.Random) -> None:
    """The checkpoint before is used, a warning says so, and the end is the same."""
    whole, directory = whole_run(root), half_done(root / "harmed")
    checkpoints = newest(directory)
    # Three where the kill came between a commit and the removal of the oldest one.
    require(len(checkpoints) in (2, 3), f"{len(checkpoints)} checkpoints after the kill")
    require(checkpoints[0]["segment"] != checkpoints[1]["segment"], "no segment of its own")
    HARMS[harm](checkpoints[0][victim], chance)
    before = f"goes on from checkpoint {checkpoints[1]['manifest'].stem}"
    expect(train(directory), 0, directory)
    require_message(directory, before)
    require_same(directory, whole)


def damage_both(root: Path, chance: random.Random) -> None:
    """Both checkpoints damaged: an error that names the files, status `failed`, and nothing else is changed."""
    directory = half_done(root / "harmed")
    for checkpoint in newest(directory):
        flip(checkpoint["state"], chance)
    code = train(directory)
    require(code not in (0, KILLED), f"exit code {code}")
    require_message(directory, newest(directory)[0]["state"].name)
    state = status_of(directory)["state"]
    require(state == "failed", f"status {state}")


@contextmanager
def small_disk(root: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of that size, unmounted afterwards."""
    place = root / "disk"
    place.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode:
        raise Skipped("only root may mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, left_bytes: int) -> None:
    """A file leaves `left_bytes` of the disk; the last pages of the logs are full, too: no room by chance."""
    for log in place.rglob("log.txt"):
        with log.open("ab") as file:
            file.write(b"\n" * (-log.stat().st_size % mmap.PAGESIZE))
    with (place / "filler").open("ab") as filler:
        filler.write(bytes(max(0, shutil.disk_usage(place).free - left_bytes)))


def disk_full(left_bytes: int, ticks: int, root: Path) -> None:
    """The run fails with a clear message, a whole checkpoint stays, and it goes on once there is space.

    The disk fills up at its tick number `ticks`, 0: before it starts. Where no page is left, no status can be written.
    """
    whole = whole_run(root)
    with small_disk(root, 64) as place:
        directory = half_done(place / "runs")
        number = int(newest(directory)[0]["manifest"].stem)
        if ticks == 0:
            fill(place, left_bytes)
        code = train(directory, lambda: fill_at(ticks, place, left_bytes))
        text, found = said(directory), Checkpoints(directory / "checkpoint").newest()
        state = status_of(directory)["state"]
        (place / "filler").unlink()
        require(found is not None and found.manifest.number >= number, "the checkpoint before was lost")
        expect(train(directory), 0, directory)
        require_same(directory, whole)
        require(code == 1, f"exit code {code} (continued all the same): … {text.strip()[-500:]}")
        require("MB were to be written" in text, f"no clear message (continued all the same): … {text.strip()[-500:]}")
        require("Traceback" not in text, f"a traceback was shown (continued all the same): … {text.strip()[-500:]}")
        require(state == "failed" or left_bytes == 0, f"status {state}")


def fill_at(ticks: int, place: Path, left_bytes: int) -> None:
    """This process fills the disk at its tick number `ticks`."""
    tick, seen = Checkpointer.tick, itertools.count(1)

    def ticked(*arguments: Any) -> None:
        if next(seen) == ticks:
            fill(place, left_bytes)
        tick(*arguments)

    Checkpointer.tick = ticked


def read_only(by_command: bool, root: Path) -> None:
    """A clear message, an exit code other than 0, no traceback; writable again, the run goes on."""
    whole = whole_run(root)
    with small_disk(root, 64) as place:
        directory = half_done(place / "runs")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        if by_command:
            words = [*PLAIN, *COMMON, f"root={place / 'runs'}"]
            code = ended(fork(lambda: main(words), output(directory)))
        else:
            code = train(directory)
        text = said(directory)
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        expect(train(directory), 0, directory)
        require_same(directory, whole)
        if code in (0, KILLED) or "ead-only" not in text or "Traceback" in text:
            raise Wrong(f"exit code {code} (continued all the same): … {text.strip()[-300:]}")
