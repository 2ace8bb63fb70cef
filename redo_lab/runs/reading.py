"""Small files of a run directory, read so that a damaged or planted one can neither hang a verb nor stop it."""

from __future__ import annotations

import json
import logging
import os
import stat
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

LOG = logging.getLogger("redo_lab")
MOST_BYTES = 16_000_000


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    FileNotFoundError if there is none. ValueError, naming the file, for whatever is not a regular file of a moderate
    size that holds one: a FIFO, a folder, a list, half a file, an object nested too deep.
    """
    try:
        values = json.loads(regular_bytes(path).decode())
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deep") from error
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: must hold a JSON object, got {type(values).__name__}")
    return values


def printable(text: str) -> str:
    """`text` with a � for every character that moves the cursor, changes colours or can't be shown; lines stay."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text)


@cache
def warn_once(message: str) -> None:
    """A warning on stderr and in the log, once in this process."""
    LOG.warning("%s", printable(message))


def regular_bytes(path: Path) -> bytes:
    """What the regular file `path` holds; OSError as usual, ValueError if it is none or larger than MOST_BYTES."""
    with _regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise ValueError(f"{size / 1e6:.0f} MB, more than such a file ever has")
        return file.read(MOST_BYTES + 1)


def last_bytes(path: Path, most: int) -> bytes:
    """The end of the regular file `path`, at most so many bytes; OSError as usual, ValueError if it is none."""
    with _regular(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most))
        return file.read(most)


def _regular(path: Path) -> BinaryIO:
    # Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise ValueError("not a regular file")
    return os.fdopen(opened, "rb")
