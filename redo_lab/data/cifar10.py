"""CIFAR-10 (Krizhevsky, 2009) from a folder on this machine, or downloaded, its hash checked."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from redo_lab.config import ConfigError, require
from redo_lab.experience import Data
from redo_lab.runs.atomic import write_bytes
from redo_lab.types import LabelledImages

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
"""As printed on the data set's own page."""
TRAINING = [f"data_batch_{number}" for number in range(1, 6)]
TEST = "test_batch"
BATCH_IMAGES = 10_000
CLASSES = 10
OBS_SHAPE = (3, 32, 32)
ROW_BYTES = 1 + 3 * 32 * 32
BINARY = "cifar-10-batches-bin"
FOLDERS = ("", BINARY, "cifar-10-batches-py")
DOWNLOAD_SECONDS = 60

Read = Callable[[str], LabelledImages]
"""The name of a batch → its images."""


class Cifar10(Data):
    """The first of the 50 000 training images, uint8 [N, 3, 32, 32], and the first of the 10 000 test images."""

    classes = CLASSES
    obs_shape = OBS_SHAPE

    @dataclass
    class Config:
        """folder: with the binary or the Python batches, or their folder in it; download: into it, if they are absent.

        `samples` of the images train, `test_samples` of the others test.
        """

        folder: str
        download: bool
        samples: int
        test_samples: int

        def __post_init__(self) -> None:
            for name, most in (("samples", BATCH_IMAGES * len(TRAINING)), ("test_samples", BATCH_IMAGES)):
                count = getattr(self, name)
                require(1 <= count <= most, f"{name} must lie in [1, {most}], got {count}")

    def __init__(self, config: Config) -> None:
        self.config = config

    @staticmethod
    def check_machine(config: Config) -> None:
        """Raises ConfigError if the folder has no batches and they aren't to be downloaded."""
        require(
            config.download or _reader(Path(config.folder)) is not None,
            f"data.folder={config.folder} holds no CIFAR-10 batches (data_batch_1.bin or data_batch_1): "
            "data.download=true fetches them, data=digits needs none",
        )

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        """The first ones of both sets; ValueError names a file that isn't what it should be."""
        self.check_machine(self.config)
        folder = Path(self.config.folder)
        if _reader(folder) is None:
            download(folder)
        read = _reader(folder)
        assert read is not None
        parts = [read(name) for name in TRAINING[: -(-self.config.samples // BATCH_IMAGES)]]
        images, labels = (np.concatenate(arrays) for arrays in zip(*((p.images, p.labels) for p in parts), strict=True))
        training, test = LabelledImages(images, labels), read(TEST)
        return training.first(self.config.samples), test.first(self.config.test_samples)


def _reader(folder: Path) -> Read | None:
    """How a batch below `folder` is read; None where there are none."""
    for inner in (folder / name for name in FOLDERS):
        if (inner / f"{TRAINING[0]}.bin").is_file():
            return lambda name, inner=inner: read_binary(inner / f"{name}.bin")  # type: ignore[misc]
        if (inner / TRAINING[0]).is_file():
            return lambda name, inner=inner: read_python(inner / name)  # type: ignore[misc]
    return None


def read_binary(path: Path) -> LabelledImages:
    """A row of a label and 3072 bytes for each image."""
    content = np.frombuffer(path.read_bytes(), np.uint8)
    if content.size != BATCH_IMAGES * ROW_BYTES:
        raise ValueError(f"{path} has {content.size} bytes, a batch of CIFAR-10 has {BATCH_IMAGES * ROW_BYTES}")
    rows = content.reshape(-1, ROW_BYTES)
    return _checked(path, rows[:, 1:], rows[:, 0])


def read_python(path: Path) -> LabelledImages:
    """A pickle of a dictionary; nothing but NumPy's arrays is unpickled, so it can't execute anything."""
    try:
        content = _Batch(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        return _checked(path, np.asarray(content[b"data"]), np.asarray(content[b"labels"]))
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, AttributeError, ImportError) as error:
        raise ValueError(f"{path} is no Python batch of CIFAR-10: {error}") from error


def _checked(path: Path, images: Any, labels: Any) -> LabelledImages:
    """`images` [N, 3072] and `labels` [N] as they should be; ValueError if they aren't."""
    shapes = (images.dtype, images.shape, labels.shape)
    if shapes != (np.uint8, (BATCH_IMAGES, ROW_BYTES - 1), (BATCH_IMAGES,)):
        raise ValueError(f"{path} is no batch of CIFAR-10: its arrays are {', '.join(map(str, shapes))}")
    if not np.isin(labels, np.arange(CLASSES)).all():
        raise ValueError(f"{path} is no batch of CIFAR-10: it has labels beside 0 to {CLASSES - 1}")
    return LabelledImages(images.reshape(-1, *OBS_SHAPE).copy(), labels.astype(np.int64))


class _Batch(pickle.Unpickler):
    ALLOWED = (("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"))

    def find_class(self, module: str, name: str) -> Any:
        """NumPy's own, by the names that the batches were pickled under."""
        if (module.replace("numpy._core", "numpy.core"), name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def download(folder: Path) -> None:
    """`folder` holds the binary batches; ConfigError where they can't be had or are not what they should be."""
    try:
        with urllib.request.urlopen(URL, timeout=DOWNLOAD_SECONDS) as answer:
            archive = answer.read()
    except OSError as error:
        raise ConfigError(f"CIFAR-10 could not be downloaded from {URL}: {error}; data=digits needs none") from error
    digest = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    if digest != MD5:
        raise ConfigError(f"what {URL} gave is not CIFAR-10: its MD5 is {digest}, not {MD5}")
    (folder / BINARY).mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        # The first batch, by which the folder is known to have them, comes last: several runs may fetch them at a time.
        for name in (TEST, *reversed(TRAINING)):
            member = tar.extractfile(f"{BINARY}/{name}.bin")
            assert member is not None
            write_bytes(folder / BINARY / f"{name}.bin", member.read())
