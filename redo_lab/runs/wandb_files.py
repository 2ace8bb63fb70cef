"""The files in which W&B keeps a run on this machine, online and offline alike: `wandb/*run-*/run-<id>.wandb`.

A header of 7 bytes and then a LevelDB log: blocks of 32 KiB, records cut where a block ends, protobuf inside.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADER = b":W&B"
HEADER_BYTES = 7
BLOCK_BYTES = 32768
FULL, LAST = 1, 4


def files(directory: Path) -> list[Path]:
    """Those below `directory`, a run's own or any above; oldest first.

    Their folders are named by the second they began in; of two in one second the one last written to is the later.
    """
    paths = directory.rglob("*run-*/run-*.wandb")
    return sorted(paths, key=lambda path: (path.parent.name.removeprefix("offline-"), path.stat().st_mtime_ns))


def records(path: Path) -> Iterator[Any]:
    """The protobuf records in the file, up to where a dying process stopped writing; ValueError if it is not W&B's."""
    from google.protobuf.message import DecodeError
    from wandb.proto import wandb_internal_pb2

    decode = getattr(wandb_internal_pb2, "Record").FromString  # noqa: B009  (made at import, unknown to mypy)

    data = path.read_bytes()
    if data[:HEADER_BYTES] and not data.startswith(HEADER[: len(data)]):
        raise ValueError(f"{path} is not a file of W&B's")
    at, payload = HEADER_BYTES, b""
    while at + 7 <= len(data):
        room = BLOCK_BYTES - at % BLOCK_BYTES
        if room < 7:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if at + 7 + length > len(data) or kind == 0:
            return
        payload += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (FULL, LAST):
            try:
                yield decode(payload)
            except DecodeError:
                return
            payload = b""


def history(path: Path) -> Iterator[dict[str, Any]]:
    """The rows logged, W&B's own columns (`_step`, `_timestamp` …) among them."""
    for record in records(path):
        if record.HasField("history"):
            yield {_key(item): json.loads(item.value_json) for item in record.history.item}


def config(path: Path) -> dict[str, Any]:
    """The run's config, as `wandb.init` got it."""
    settings: dict[str, Any] = {}
    for record in records(path):
        if record.HasField("run"):
            settings |= {_key(item): json.loads(item.value_json) for item in record.run.config.update}
    return settings


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)
