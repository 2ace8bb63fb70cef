"""Files that a crash leaves old or new, never half written."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """`path` holds `text` as UTF-8; atomic like `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, guard: Callable[[], None] | None = None) -> None:
    """`path` holds `content`; if this raises or the process dies, it holds what it held before.

    `guard` is asked right before the file appears, and may forbid it by raising.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if guard is not None:
            guard()
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object, guard: Callable[[], None] | None = None) -> None:
    """`path` holds `value` as indented JSON, keys in the given order; atomic like `write_bytes`."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), guard)
