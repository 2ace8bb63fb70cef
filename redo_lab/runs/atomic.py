"""Files that a crash leaves old or new, never half written."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """`path` holds `text` as UTF-8; atomic like `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """`path` holds `content`; if this raises or the process dies, it holds what it held before."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    """`path` holds `value` as indented JSON, keys in the given order; atomic like `write_text`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
