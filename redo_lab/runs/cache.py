"""metrics.csv of many runs, fast: each is kept as Parquet beside the user's other caches until it changes.

`$XDG_CACHE_HOME/redo_lab/<digest of the directory>/<inode>-<size>-<mtime>.parquet`: the name says which state of the
file it was made from. Deleting the folder costs nothing but time.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

SCHEMA = {"env_steps": pl.Int64, "updates": pl.Int64, "name": pl.String, "value": pl.Float64}
SMALL_BYTES = 200_000
"""Files up to this size are read as they are: nothing would be gained."""
AT_ONCE = 200


def cache_folder() -> Path:
    """Where the cache is."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "redo_lab"


def cached_metrics(
    directories: Sequence[str], names: Sequence[str], prefixes: Sequence[str], *, cache: bool = True
) -> pl.DataFrame:
    """The metrics of these run directories: directory and SCHEMA's columns; ValueError names a file that isn't one.

    names, prefixes: only metrics of these names or beginning so; all if neither is given.
    """
    frames = [
        _selected(pl.concat([_one(directory, cache) for directory in directories[at : at + AT_ONCE]]), names, prefixes)
        for at in range(0, len(directories), AT_ONCE)
    ]
    empty = pl.DataFrame(schema={"directory": pl.String, **SCHEMA})
    return pl.concat([empty, *pl.collect_all(frames)])


def _selected(frame: pl.LazyFrame, names: Sequence[str], prefixes: Sequence[str]) -> pl.LazyFrame:
    if not names and not prefixes:
        return frame
    wanted = [pl.col("name").is_in(list(names)), *(pl.col("name").str.starts_with(prefix) for prefix in prefixes)]
    return frame.filter(pl.any_horizontal(wanted))


def _one(directory: str, cache: bool) -> pl.LazyFrame:
    path = Path(directory) / "metrics.csv"
    try:
        found = path.stat()
    except FileNotFoundError:
        return _labelled(pl.LazyFrame(schema=SCHEMA), directory)
    if not cache or found.st_size <= SMALL_BYTES:
        return _labelled(_read(path).lazy(), directory)
    folder = cache_folder() / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    kept = folder / f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}.parquet"
    if not kept.exists():
        frame = _read(path)
        if not _keep(frame, kept):
            return _labelled(frame.lazy(), directory)
    return _labelled(pl.scan_parquet(kept), directory)


def _labelled(frame: pl.LazyFrame, directory: str) -> pl.LazyFrame:
    return frame.select(pl.lit(directory).alias("directory"), *SCHEMA)


def _keep(frame: pl.DataFrame, path: Path) -> bool:
    """Whether it could be written; older states of the same run are gone."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        older = list(path.parent.glob("*.parquet"))
        frame.write_parquet(temporary, statistics=False)
        temporary.replace(path)
        for other in older:
            other.unlink(missing_ok=True)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True


def _read(path: Path) -> pl.DataFrame:
    content = path.read_bytes()
    whole_lines = content[: content.rfind(b"\n") + 1]
    if not whole_lines:
        return pl.DataFrame(schema=SCHEMA)
    try:
        return pl.read_csv(whole_lines, schema=SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: not a metrics file ({str(error).splitlines()[0]})") from error
