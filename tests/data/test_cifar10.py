"""CIFAR-10 from files that the tests write: read whole, refused when they aren't what they should be."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from redo_lab.config import ConfigError
from redo_lab.data import cifar10
from redo_lab.data.cifar10 import Cifar10

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
SIZE = 20


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches have 20 images here."""
    monkeypatch.setattr(cifar10, "BATCH_IMAGES", SIZE)


def rows_of(name: str) -> NDArray[np.uint8]:
    """A label and 3072 bytes, 20 times, always the same."""
    generator = np.random.default_rng(NAMES.index(name))
    rows = generator.integers(256, size=(SIZE, 3073), dtype=np.uint8)
    rows[:, 0] %= 10
    return rows


def write_binary(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.bin").write_bytes(rows_of(name).tobytes())


def write_python(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        rows = rows_of(name)
        content = {b"batch_label": name.encode(), b"labels": rows[:, 0].tolist(), b"data": rows[:, 1:].copy()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=4))


def config(folder: Path, **changes: Any) -> Cifar10.Config:
    settings = {"folder": str(folder), "download": False, "samples": 30, "test_samples": 20}
    return Cifar10.Config(**(settings | changes))


def check(folder: Path) -> None:
    training, test = Cifar10(config(folder)).load()
    rows = np.concatenate([rows_of("data_batch_1"), rows_of("data_batch_2")])[:30]
    assert (training.images == rows[:, 1:].reshape(30, 3, 32, 32)).all()
    assert (training.labels == rows[:, 0]).all()
    assert training.labels.dtype == np.int64
    assert (test.images.reshape(20, -1) == rows_of("test_batch")[:, 1:]).all()


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_binary_batches_are_read(inner: str, tmp_path: Path) -> None:
    write_binary(tmp_path / inner)
    check(tmp_path)


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
def test_python_batches_are_read(inner: str, tmp_path: Path) -> None:
    write_python(tmp_path / inner)
    check(tmp_path)


class Hostile:
    """Unpickled by Python's own unpickler, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_a_hostile_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    write_python(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({b"data": Hostile(tmp_path / "mark")}, protocol=4))
    with pytest.raises(ValueError, match=r"data_batch_1 is no Python batch of CIFAR-10: it names "):
        Cifar10(config(tmp_path)).load()
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1, 2]), pickle.dumps({b"data": 1})])
def test_what_is_no_python_batch_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    write_python(tmp_path)
    (tmp_path / "data_batch_2").write_bytes(content)
    with pytest.raises(ValueError, match="data_batch_2 is no Python batch of CIFAR-10"):
        Cifar10(config(tmp_path)).load()


def test_a_binary_batch_that_was_cut_or_has_other_labels_is_refused_by_name(tmp_path: Path) -> None:
    write_binary(tmp_path)
    content = bytearray((tmp_path / "test_batch.bin").read_bytes())
    (tmp_path / "test_batch.bin").write_bytes(content[:-3073])
    with pytest.raises(ValueError, match=r"test_batch.bin has 58387 bytes, a batch of CIFAR-10 has 61460"):
        Cifar10(config(tmp_path)).load()
    content[0] = 10
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"test_batch.bin is no batch of CIFAR-10: it has labels beside 0 to 9"):
        Cifar10(config(tmp_path)).load()


def test_an_empty_folder_is_refused_unless_it_is_to_be_filled(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no CIFAR-10 batches"):
        Cifar10.check_machine(config(tmp_path))
    Cifar10.check_machine(config(tmp_path, download=True))


def archive(folder: Path) -> Path:
    """The binary batches, packed as on the data set's page."""
    write_binary(folder / "source")
    path = folder / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in NAMES:
            content = (folder / "source" / f"{name}.bin").read_bytes()
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_a_download_is_kept_if_its_hash_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path)
    monkeypatch.setattr(cifar10, "URL", path.as_uri())
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(path.read_bytes()).hexdigest())
    Cifar10(config(tmp_path / "here", download=True)).load()
    path.unlink()
    check(tmp_path / "here")


def test_a_download_with_another_hash_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "URL", archive(tmp_path).as_uri())
    with pytest.raises(ConfigError, match=r"is not CIFAR-10: its MD5 is [0-9a-f]{32}, not c32a1d4ab5d0"):
        Cifar10(config(tmp_path / "here", download=True)).load()
    assert not (tmp_path / "here").exists()


def test_a_download_that_fails_says_what_works_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "URL", (tmp_path / "absent").as_uri())
    with pytest.raises(ConfigError, match=r"could not be downloaded from .*absent.*; data=digits needs none"):
        Cifar10(config(tmp_path, download=True)).load()
