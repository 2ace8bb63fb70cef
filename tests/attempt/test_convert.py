"""Checkpoints of an older redo_lab become data; what could execute code is refused."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from redo_lab.attempt.convert import main
from redo_lab.attempt.state_bytes import decode
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.checkpoint import Checkpoints
from redo_lab.runs.lease import acquire
from redo_lab.runs.manifest import Manifest

STATE = {
    "agent": {"online": {"weight": torch.arange(4.0)}, "generator": np.random.default_rng(1).bit_generator.state},
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.9, 0.999)},
    "env": {"screens": np.zeros((2, 3), np.uint8), "emulator": b"\x00\xff", "reward": np.float64(0.1), "lives": None},
    "physics": np.arange(3.0),
}


def pickled(directory: Path, number: int, state: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint as redo_lab made it before."""
    folder = directory / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    file = PartFile(f"{number}-{digest[:12]}.state", len(content), digest)
    (folder / file.name).write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr("redo_lab.runs.manifest.VERSION", 1)
        (folder / f"{number}.json").write_bytes(Manifest(number, file, (), {"env_steps": number}).encode())


def test_old_checkpoints_are_converted_to_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (10, 20):
        pickled(tmp_path, number, STATE | {"number": number}, monkeypatch)
    assert main([str(tmp_path)]) == 0
    assert "2 checkpoints converted" in capsys.readouterr().out
    checkpoint = Checkpoints(tmp_path / "checkpoint").newest()
    assert checkpoint is not None
    state = decode(checkpoint.state, torch.device("cpu"))
    assert repr(state) == repr(STATE | {"number": 20})
    assert checkpoint.manifest.facts == {"env_steps": 20}
    assert len(list((tmp_path / "checkpoint").glob("*.state"))) == 2
    assert main([str(tmp_path)]) == 0
    assert "0 checkpoints converted" in capsys.readouterr().out


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, ("exploded",)


def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pickled(tmp_path / "run", 10, {"agent": Bomb()}, monkeypatch)
    before = sorted((tmp_path / "run" / "checkpoint").iterdir())
    assert main([str(tmp_path / "run")]) == 2
    assert "mkdir" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert sorted((tmp_path / "run" / "checkpoint").iterdir()) == before


def test_a_run_that_is_being_worked_on_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pickled(tmp_path, 10, STATE, monkeypatch)
    acquire(tmp_path, stale_seconds=1)
    assert main([str(tmp_path)]) == 2
    assert "is in use by" in capsys.readouterr().err
    assert Manifest.read(tmp_path / "checkpoint" / "10.json").format == 1  # type: ignore[union-attr]


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent")]) == 2
    assert "absent: no such directory" in capsys.readouterr().err
