"""metrics.csv of many runs, fast: each has a copy as Parquet beside the user's other caches until it changes.

`$XDG_CACHE_HOME/redo_lab/<digest of the directory>/<inode>-<size>-<mtime>.parquet`: the name says which state of the
file it copies. Deleting the folder costs nothing but time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl

from redo_lab.runs.reading import printable

LOG = logging.getLogger("redo_lab")
SCHEMA = {"env_steps": pl.Int64, "updates": pl.Int64, "name": pl.String, "value": pl.Float64}
HEADER = ",".join(SCHEMA).encode()
SMALL_BYTES = 200_000
"""Files up to this size are read as they are: nothing would be gained."""
MOST_BYTES = 2_000_000_000
"""Some 50 million values, read at once; what is larger was damaged or planted."""
MOST_TORN_BYTES = 10_000
"""A longer last line is not one that is being written."""
AT_ONCE = 50
"""Files whose whole text is in memory together."""
TEXT = pl.col("directory", "name")
MOST_VALUES = 1_000_000
"""Values that stay in memory, of some 30 bytes each."""
NAMES_AT_ONCE = 5
"""Metrics that are read together where each is needed by itself."""


def cache_folder() -> Path:
    """Where the cache is."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "redo_lab"


class Reader:
    """Metrics of run directories, as `cached_metrics` gives them; the newest stay in memory for narrower queries.

    So metrics that several figures need are read once. At most MOST_VALUES values stay, the newest.
    """

    def __init__(self, *, cache: bool = True) -> None:
        self._cache = cache
        self._frames: list[tuple[frozenset[str], Sequence[str], pl.DataFrame]] = []
        self._logged: dict[frozenset[str], pl.DataFrame] = {}

    def __call__(self, directories: Sequence[str], names: Sequence[str], prefixes: Sequence[str]) -> pl.DataFrame:
        """directory and SCHEMA's columns of the metrics of these names or beginning so; all if neither is given."""
        return _as_text(_named(self._compact(directories, names, prefixes), names, prefixes))

    def one_by_one(self, directories: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
        """Each of `names` with its values, as a query for it alone gives them; a few of them are read at once."""
        for at in range(0, len(names), NAMES_AT_ONCE):
            frame = self._compact(directories, names[at : at + NAMES_AT_ONCE], ())
            for name in names[at : at + NAMES_AT_ONCE]:
                yield name, _as_text(_named(frame, [name], ()))

    def _compact(self, directories: Sequence[str], names: Sequence[str], prefixes: Sequence[str]) -> pl.DataFrame:
        """What has been read and holds the metrics of these names or beginning so, and maybe others."""
        # A name is read as a beginning, too, as a figure's pattern may ask for it next.
        beginnings = [*prefixes, *names]
        wider = self._wider(set(directories), beginnings)
        if wider is not None:
            return wider
        frame = _compact_metrics(directories, (), beginnings, cache=self._cache)
        if beginnings and frame.height <= MOST_VALUES:
            self._frames.insert(0, (frozenset(directories), beginnings, frame))
            while sum(part.height for *_, part in self._frames) > MOST_VALUES:
                self._frames.pop()
        return frame

    def logged(self, directories: Sequence[str]) -> pl.DataFrame:
        """directory and name: which metrics each run has."""
        key = frozenset(directories)
        if key not in self._logged:
            self._logged[key] = _as_text(_compact_metrics(directories, (), (), cache=self._cache, pairs=True))
        return self._logged[key]

    def _wider(self, directories: set[str], names: Sequence[str]) -> pl.DataFrame | None:
        for available, beginnings, frame in self._frames:
            if names and available >= directories and all(name.startswith(tuple(beginnings)) for name in names):
                if available == directories:
                    return frame
                return frame.filter(pl.col("directory").is_in(list(directories)))
        return None


def cached_metrics(
    directories: Sequence[str], names: Sequence[str], prefixes: Sequence[str], *, cache: bool = True
) -> pl.DataFrame:
    """The metrics of these run directories: directory and SCHEMA's columns.

    A file that holds no metrics, or more than MOST_BYTES, counts as empty, with a warning that names it.
    names, prefixes: only metrics of these names or beginning so; all if neither is given.
    """
    return _as_text(_compact_metrics(directories, names, prefixes, cache=cache))


def _compact_metrics(
    directories: Sequence[str], names: Sequence[str], prefixes: Sequence[str], *, cache: bool, pairs: bool = False
) -> pl.DataFrame:
    """As `cached_metrics`, texts as categories: half the memory. pairs: only each directory and name, once."""
    frames = []
    for at in range(0, len(directories), AT_ONCE):
        # Collected at once, so that of many runs only the metrics of the query are in memory together.
        some = directories[at : at + AT_ONCE]
        together = _together(some)
        every = pl.concat([_one(directory, cache) for directory in some]) if together is None else together
        # As categories, because a few strings of a file, as strings, hold all of its text in memory.
        selection = _selected(every, names, prefixes)
        selection = selection.select(TEXT).unique(maintain_order=True) if pairs else selection
        frames.append(selection.with_columns(TEXT.cast(pl.Categorical)).collect())
    empty = pl.DataFrame(schema={"directory": pl.String, **SCHEMA}).with_columns(TEXT.cast(pl.Categorical))
    return pl.concat([empty.select(TEXT) if pairs else empty, *frames])


def _named(frame: pl.DataFrame, names: Sequence[str], prefixes: Sequence[str]) -> pl.DataFrame:
    """The rows of a compact frame that `_selected` would select."""
    if not names and not prefixes:
        return frame
    present = frame["name"].unique().to_list()
    wanted = [name for name in present if name in names or name.startswith(tuple(prefixes))]
    return frame if len(wanted) == len(present) else frame.filter(pl.col("name").is_in(wanted))


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Text in place of categories; a cast would copy the text of each row, here all rows share that of a category."""
    return frame.with_columns(_texts(frame["directory"]), _texts(frame["name"]))


def _texts(categories: pl.Series) -> pl.Series:
    each = categories.unique()
    codes = each.to_physical().to_numpy()
    places = np.zeros(codes.max(initial=0) + 1, dtype=np.int64)
    places[codes] = np.arange(len(codes))
    return each.cast(pl.String).gather(places[categories.to_physical().to_numpy()])


def _selected(frame: pl.LazyFrame, names: Sequence[str], prefixes: Sequence[str]) -> pl.LazyFrame:
    if not names and not prefixes:
        return frame
    conditions = [pl.col("name").is_in(list(names)), *(pl.col("name").str.starts_with(prefix) for prefix in prefixes)]
    return frame.filter(pl.any_horizontal(conditions))


def _together(directories: Sequence[str]) -> pl.LazyFrame | None:
    """Small files parsed as one, which is faster; None if any is large, absent or not as a run leaves it."""
    bodies = []
    try:
        for path in (Path(directory) / "metrics.csv" for directory in directories):
            facts = path.stat()
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > SMALL_BYTES:
                return None
            header, _, body = path.read_bytes().partition(b"\n")
            whole = body.rfind(b"\n") + 1
            if header != HEADER or len(body) - whole > MOST_TORN_BYTES:
                return None
            bodies.append(body[:whole])
        frame = pl.read_csv(b"".join([HEADER, b"\n", *bodies]), schema=SCHEMA)
    except (OSError, pl.exceptions.PolarsError):
        return None
    counts = [body.count(b"\n") for body in bodies]
    if frame.height != sum(counts):
        return None
    directory = pl.Series("directory", directories, dtype=pl.String).gather(np.repeat(np.arange(len(counts)), counts))
    return frame.lazy().select(pl.lit(directory), *SCHEMA)


def _one(directory: str, cache: bool) -> pl.LazyFrame:
    path = Path(directory) / "metrics.csv"
    try:
        return _labelled(_frame(path, cache), directory)
    except FileNotFoundError:
        LOG.debug("%s: nothing measured yet", printable(str(path)))
    except OSError as error:
        LOG.warning("%s", printable(f"{path} can't be read: {error.strerror}"))
    except ValueError as error:
        LOG.warning("%s", printable(f"{path}: {error}; its values are passed over"))
    return _labelled(pl.LazyFrame(schema=SCHEMA), directory)


def _frame(path: Path, cache: bool) -> pl.LazyFrame:
    """ValueError says what is wrong with the file."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise ValueError("not a regular file")
    if facts.st_size > MOST_BYTES:
        raise ValueError(f"{facts.st_size / 1e9:.1f} GB, more than metrics ever take")
    if not cache or facts.st_size <= SMALL_BYTES:
        return _read(path).lazy()
    folder = cache_folder() / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    parquet = folder / f"{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}.parquet"
    if not parquet.exists():
        frame = _read(path)
        if not _keep(frame, parquet):
            return frame.lazy()
    return pl.scan_parquet(parquet)


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
    whole = content.rfind(b"\n") + 1
    if len(content) - whole > MOST_TORN_BYTES:
        raise ValueError("not a metrics file (its last line has no end)")
    if not whole:
        return pl.DataFrame(schema=SCHEMA)
    try:
        return pl.read_csv(content[:whole], schema=SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"not a metrics file ({str(error).splitlines()[0]})") from error
