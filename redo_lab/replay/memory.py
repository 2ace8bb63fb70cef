"""Whether a full replay fits into the memory that this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from redo_lab.config import require
from redo_lab.replay.frames import ROOM_BYTES, Placement, free_bytes
from redo_lab.replay.ring import Replay, frame_bytes
from redo_lab.types import Box, EnvSpec

GIB = 2**30


def bytes_needed(config: Replay.Config, spec: EnvSpec) -> int:
    """The memory of a full replay, of the host and of a GPU together."""
    action = 4 * len(spec.actions.low) if isinstance(spec.actions, Box) else 8
    reward, end, history = 4, 1, 1
    return frame_bytes(config, spec) + config.capacity * (action + reward + end + history)


def host_bytes_needed(config: Replay.Config, spec: EnvSpec) -> int:
    """The host's memory of a full replay; with device=auto all of it, as it may turn out so."""
    return bytes_needed(config, spec) - (frame_bytes(config, spec) if config.device is Placement.cuda else 0)


def check_memory(config: Replay.Config, spec: EnvSpec, device: torch.device) -> None:
    """Raises ConfigError, saying what would fit, when the full replay of a run on `device` exceeds what is free now.

    The host's arrays take memory only as they fill, so without this check a run would be killed hours later. It does
    not know what other runs starting on the same machine will take.
    """
    frames = frame_bytes(config, spec)
    needed = bytes_needed(config, spec)
    if config.device.of(device, frames).type == "cuda":
        _check_gpu(config, frames, device)
        needed -= frames
    available = available_bytes()
    fits = available * config.capacity // needed
    require(
        needed <= available,
        f"a replay of {config.capacity} observations needs {needed / GIB:.1f} GiB, {available / GIB:.1f} GiB of memory "
        f"is available: set replay.capacity={fits} or less, or scale=laptop",
    )


def _check_gpu(config: Replay.Config, frames: int, device: torch.device) -> None:
    room = max(0, free_bytes(device) - ROOM_BYTES)
    require(
        frames <= room,
        f"a replay of {config.capacity} observations needs {frames / GIB:.1f} GiB of the GPU's memory, "
        f"{room / GIB:.1f} GiB is free beside {ROOM_BYTES / GIB:.0f} GiB for the rest: "
        f"set replay.device=cpu, or replay.capacity={room * config.capacity // frames} or less",
    )


def available_bytes() -> int:
    """Memory a new process may take: what the machine has free, or less if a control group (container, job) says so."""
    return max(0, min(_machine_bytes(), *_group_bytes(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")), 2**63))


def _machine_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _group_bytes(membership: Path, root: Path) -> Iterator[int]:
    """What each memory-limited control group of this process has left, v2 or v1; page cache counts as free."""
    for line in membership.read_text().splitlines() if membership.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / controllers
        limit_name, usage_name, cache_name = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if controllers
            else ("memory.max", "memory.current", "inactive_file")
        )
        group = top / path.lstrip("/")
        for folder in {group, *group.parents, top}:
            if (folder / limit_name).is_file() and (limit := (folder / limit_name).read_text().strip()) != "max":
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                usage = int((folder / usage_name).read_text())
                yield int(limit) - usage + int(stat.get(cache_name, 0))
